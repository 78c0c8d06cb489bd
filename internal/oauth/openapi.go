package oauth

import _ "embed" // the description

//go:embed openapi.json
var described []byte

// OpenAPI describes the endpoints, as a fragment of an OpenAPI 3.1 document.
func (e *Edge) OpenAPI() [][]byte { return [][]byte{described} }
