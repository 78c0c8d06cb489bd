package gateway

import _ "embed" // the description

//go:embed openapi.json
var described []byte

// OpenAPI describes forward auth, as a fragment of an OpenAPI 3.1 document.
func (f *ForwardAuth) OpenAPI() [][]byte { return [][]byte{described} }
