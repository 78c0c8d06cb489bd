package feed

import _ "embed" // the description

//go:embed openapi.json
var described []byte

// OpenAPI describes the stream, as a fragment of an OpenAPI 3.1 document.
func (e *Edge) OpenAPI() [][]byte { return [][]byte{described} }
