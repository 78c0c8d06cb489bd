package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// bill writes a bill of materials (SBOM, CycloneDX) for each binary: the modules that are in
// it, with their versions, hashes and licences.
func (r *release) bill(ctx context.Context) error {
	for _, p := range r.platforms {
		name := "bearerd_" + r.version.plain() + "_" + p.String() + ".cdx.json"
		made := filepath.Join(r.work, name)
		cmd := command(ctx, filepath.Join(r.root, "packaging"), "go", "tool", "cyclonedx-gomod", "bin",
			"-json", "-licenses", "-noserial", "-notimestamp", "-version", string(r.version), "-output", made, r.binaries[p])
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("writing the bill of materials: %w\n%s", err, text)
		}
		text, err := os.ReadFile(made) //nolint:gosec // what we have just written
		if err != nil {
			return err
		}
		if text, err = withoutTool(text); err != nil {
			return fmt.Errorf("reading the bill of materials: %w", err)
		}
		if err := os.WriteFile(filepath.Join(r.out, name), text, 0o644); err != nil { //nolint:gosec // everybody may read a release
			return err
		}
		r.say("wrote %s", name)
	}
	return nil
}

// withoutTool removes the hashes of the tool from a bill: the tool was built on this
// machine, and the bill must be the same on every machine.
func withoutTool(bill []byte) ([]byte, error) {
	var document map[string]any
	if err := json.Unmarshal(bill, &document); err != nil {
		return nil, err
	}
	metadata, _ := document["metadata"].(map[string]any)
	tools, _ := metadata["tools"].([]any)
	if len(tools) == 0 {
		return nil, fmt.Errorf("it names no tool: %.200s", bill)
	}
	for _, tool := range tools {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	return json.MarshalIndent(document, "", "  ")
}
