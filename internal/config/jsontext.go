package config

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// JSONText is JSON that is written in a file as YAML's own mappings and lists, or as a text. What
// it means is not judged here.
type JSONText string

// readJSON returns a node as JSON. Every scalar is a string but for true, false and null: what a
// JWK has of digits is base64.
func readJSON(n *yaml.Node) (JSONText, error) {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return JSONText(n.Value), nil
	}
	value, err := jsonValue(n)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(value)
	return JSONText(text), err
}

func jsonValue(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return nil, errors.New("without anchors, aliases and tags")
	}
	switch n.Kind { //nolint:exhaustive // the rest is refused
	case yaml.ScalarNode:
		return jsonScalar(n), nil
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			var err error
			if list[i], err = jsonValue(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		members := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if _, twice := members[name]; twice || n.Content[i].Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("with plain names, each once, and not %q again", name)
			}
			var err error
			if members[name], err = jsonValue(n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return members, nil
	}
	return nil, errors.New("of mappings, lists and texts")
}

func jsonScalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	}
	return n.Value
}
