// Package httpkit is what all HTTP edges of bearerd share: handlers that return errors,
// strict reading of headers, forms, queries and JSON, responses to errors, the client's
// address behind trusted proxies, and one log event for each request.
//
// A handler parses once, calls the core and writes, or returns an error. The edge that
// mounts it passes an [ErrorWriter], its own table from fault kinds to responses.
// Everything is read strictly: a repeated parameter or member, bytes that are not UTF-8,
// or a body of another type are refused with a message that names them.
//
// The order of middleware, outermost first: [BoundBodies], [Observer.Wrap], then
// [SecurityHeaders] and [CORS] where an edge wants them, then the mux.
package httpkit
