package main

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// A printable is a writer of text that shows characters which a terminal would obey, or which
// change the order in which text is read, as escapes: names and messages come from capsules,
// histories and plans of other people. The escapes are those of JSON, so that lines of JSON keep
// their meaning. Line ends and tabs pass.
type printable struct {
	w io.Writer
	// part is the beginning of a character whose rest comes with the next write.
	part []byte
}

// Write writes data, whose length it returns unless w fails. It keeps nothing of data.
func (p *printable) Write(data []byte) (int, error) {
	text := append(p.part, data...)
	out := make([]byte, 0, len(text))
	for len(text) > 0 && utf8.FullRune(text) {
		r, n := utf8.DecodeRune(text)
		if obeyed(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, text[:n]...)
		}
		text = text[n:]
	}
	p.part = append([]byte(nil), text...)
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return len(data), nil
}

// obeyed reports whether terminals act on the character instead of showing it.
func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
