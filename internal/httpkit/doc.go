// Package httpkit is what every HTTP edge of bearerd shares: handlers that
// return errors, strict reading of headers, forms, queries and JSON, answers
// that errors turn into, the client's address behind trusted proxies, and one
// log event a request.
//
// A handler parses once, calls the core and writes, or returns an error. The
// edge that mounts it passes an [ErrorWriter], its own table from fault kinds to
// answers. What is read here is read strictly: a parameter or member that
// stands twice, bytes that are not UTF-8, or a body of another type are refused
// with a message that names them, never guessed at.
//
// The order of middleware, outermost first: [BoundBodies], [Observer.Wrap], then
// [SecurityHeaders] and [CORS] where an edge wants them, then the mux.
package httpkit
