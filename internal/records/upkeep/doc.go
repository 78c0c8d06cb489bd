// Package upkeep is what nodes keep on their own account and for each other: counts of what
// happened, figures of users and tokens, notices that wait to be sent, confirmations that
// are passed on, and what report-only routes would have refused.
package upkeep
