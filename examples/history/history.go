// Package history checks histories, whatever program wrote them, against their JSON Schema: an
// example for programs that write histories and use nothing else of kvsim.
package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// longest is the length of the longest line that a history may have.
const longest = 64 << 20

// A Schema is docs/history-format.schema.json.
type Schema struct{ versions map[int]*jsonschema.Schema }

// Load reads the schema from a file.
func Load(path string) (*Schema, error) {
	c := jsonschema.NewCompiler()
	s := &Schema{map[int]*jsonschema.Schema{}}
	for version, part := range map[int]string{1: "#/$defs/version1", 2: ""} {
		compiled, err := c.Compile(path + part)
		if err != nil {
			return nil, fmt.Errorf("load schema of version %d: %w", version, err)
		}
		s.versions[version] = compiled
	}
	return s, nil
}

// Line checks one line of a history of the given version, its header or an event.
func (s *Schema) Line(version int, line []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	schema, ok := s.versions[version]
	if !ok {
		return fmt.Errorf("version %d of the format is not known", version)
	}
	return schema.Validate(v)
}

// Check checks each line of a history. The error names the first that is wrong.
func (s *Schema) Check(history io.Reader) error {
	lines := bufio.NewScanner(history)
	lines.Buffer(nil, longest)
	version := 0
	for n := 1; lines.Scan(); n++ {
		if n == 1 {
			version = versionOf(lines.Bytes())
		}
		if err := s.Line(version, lines.Bytes()); err != nil {
			return fmt.Errorf("history line %d: %w", n, err)
		}
	}
	return lines.Err()
}

// versionOf returns the version that a header says, or 0.
func versionOf(header []byte) int {
	var h struct {
		Version int `json:"kvsim_history"`
	}
	if json.Unmarshal(header, &h) != nil {
		return 0
	}
	return h.Version
}
