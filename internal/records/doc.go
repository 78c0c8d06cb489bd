// Package records is what bearerd keeps: rows, and the queries that read them. It decides
// nothing.
//
// Three packages beneath it have the rest. Everything is written as an op.Batch: the
// operations of one business fact, the entries that the revocation log gets, and the audit
// events, in one transaction. contract.Store is what a store does, in interfaces of a few
// methods each; a package that reads users asks for a contract.Directory and no more.
// upkeep has what nodes keep on their own account. internal/store implements the contract
// and store/storetest is its conformance suite.
package records
