package exact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Section ids of the WebAssembly binary format, version 1
// (https://www.w3.org/TR/wasm-core-2/#binary-format).
const (
	sectionCustom = 0
	sectionImport = 2
	sectionGlobal = 6
	sectionExport = 7
	sectionCode   = 10
)

var wasmHeader = []byte("\x00asm\x01\x00\x00\x00")

var errTruncated = errors.New("truncated")

// section is one section of a module. Its body aliases the module.
type section struct {
	id   byte
	body []byte
}

// parseSections splits a module into its sections.
func parseSections(module []byte) ([]section, error) {
	if !bytes.HasPrefix(module, wasmHeader) {
		return nil, errors.New("no WebAssembly header")
	}
	r := reader{buf: module[len(wasmHeader):]}
	var sections []section
	for !r.empty() {
		id := r.byte()
		body := r.bytes(int(r.u32()))
		if r.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		sections = append(sections, section{id: id, body: body})
	}
	return sections, nil
}

// joinSections is the inverse of parseSections.
func joinSections(sections []section) []byte {
	size := len(wasmHeader)
	for _, s := range sections {
		size += len(s.body) + 1 + binary.MaxVarintLen32
	}
	module := append(make([]byte, 0, size), wasmHeader...)
	for _, s := range sections {
		module = append(module, s.id)
		module = binary.AppendUvarint(module, uint64(len(s.body)))
		module = append(module, s.body...)
	}
	return module
}

// customName returns the name of a custom section.
func (s section) customName() string {
	r := reader{buf: s.body}
	return string(r.bytes(int(r.u32())))
}

// functionImport is one imported function. Index is its function index.
type functionImport struct {
	module, name string
	index        uint32
}

// parseImports lists the imported functions of an import section and counts
// its imported globals, which come before the module's own in the index space.
func parseImports(body []byte) (functions []functionImport, globals uint32, err error) {
	r := reader{buf: body}
	for range r.u32() {
		module := string(r.bytes(int(r.u32())))
		name := string(r.bytes(int(r.u32())))
		switch kind := r.byte(); kind {
		case 0: // function: type index
			r.u32()
			functions = append(functions, functionImport{module: module, name: name, index: uint32(len(functions))})
		case 3: // global: value type, mutability
			r.bytes(2)
			globals++
		default:
			return nil, 0, fmt.Errorf("import %s.%s is of kind %d, which Go does not write", module, name, kind)
		}
		if r.err != nil {
			return nil, 0, fmt.Errorf("import section: %w", r.err)
		}
	}
	return functions, globals, r.err
}

// reader reads the primitive values of the binary format. It keeps the first error, and returns
// zeros after it.
type reader struct {
	buf []byte
	pos int
	err error
}

func (r *reader) empty() bool { return r.err != nil || r.pos >= len(r.buf) }

func (r *reader) byte() byte {
	if r.pos >= len(r.buf) {
		r.err = errTruncated
		return 0
	}
	b := r.buf[r.pos]
	r.pos++
	return b
}

// bytes returns the next n bytes, which alias the buffer.
func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.buf)-r.pos {
		r.err = errTruncated
		r.pos = len(r.buf)
		return nil
	}
	b := r.buf[r.pos : r.pos+n]
	r.pos += n
	return b
}

// u32 reads an unsigned LEB128 number.
func (r *reader) u32() uint32 {
	v, n := binary.Uvarint(r.buf[min(r.pos, len(r.buf)):])
	if n <= 0 || v > 1<<32-1 {
		r.err = errTruncated
		r.pos = len(r.buf)
		return 0
	}
	r.pos += n
	return uint32(v)
}

// leb skips a LEB128 number of either sign.
func (r *reader) leb() {
	for r.byte()&0x80 != 0 {
	}
}
