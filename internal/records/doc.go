// Package records is what bearerd keeps: rows, the queries that read them, and the
// operations that change them. It decides nothing.
//
// Everything is written as a [Batch]: the operations of one business fact, the
// entries that the revocation log gets, and the audit events, in one transaction.
// [Store] is the contract of a store, in interfaces of a few methods each; a
// package that reads users asks for a [Directory] and no more.
// internal/store implements it and store/storetest is its conformance suite.
package records
