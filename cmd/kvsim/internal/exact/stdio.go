package exact

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// hostReader is the guest's standard input. It hides from the guest what kind of file the host
// uses, and the errors of that file.
type hostReader struct {
	outside *outside
	next    io.Reader
}

func (r hostReader) Read(buf []byte) (int, error) {
	if r.next == nil {
		return 0, io.EOF
	}
	n, err := r.next.Read(buf)
	if err != nil && !errors.Is(err, io.EOF) {
		r.outside.stop(fmt.Errorf("run guest: read its input: %w", err))
	}
	return n, err
}

// hostWriter does the same for output.
type hostWriter struct {
	outside *outside
	next    io.Writer
}

func (w hostWriter) Write(data []byte) (int, error) {
	if w.next == nil {
		return len(data), nil
	}
	if _, err := w.next.Write(data); err != nil {
		w.outside.stop(fmt.Errorf("run guest: write its output: %w", err))
	}
	return len(data), nil
}

// panicWatch looks at stderr, and keeps the first line that starts a panic.
type panicWatch struct {
	line  []byte // the start of the line that is being written
	first string
}

const panicLineBytes = 400

func (p *panicWatch) Write(data []byte) (int, error) {
	for _, b := range data {
		if p.first != "" {
			break
		}
		if b != '\n' {
			if len(p.line) < panicLineBytes {
				p.line = append(p.line, b)
			}
			continue
		}
		if s := string(p.line); strings.HasPrefix(s, "panic: ") || strings.HasPrefix(s, "fatal error: ") {
			p.first = s
		}
		p.line = p.line[:0]
	}
	return len(data), nil
}
