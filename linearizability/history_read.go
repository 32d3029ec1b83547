package linearizability

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A FormatError says which line of a stored history cannot be read, and why.
type FormatError struct {
	// Line is the number of the line, counted from 1.
	Line int
	Err  error
}

// Error names the line and says what is wrong with it.
func (e *FormatError) Error() string { return fmt.Sprintf("history line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with the line.
func (e *FormatError) Unwrap() error { return e.Err }

// ReadHistory reads a stored history. It returns a *FormatError for a line that it cannot
// read, for a number out of range, for a sequence number that occurs twice, and for time
// that goes back. Anything else that makes no sense is left to Check. Events may come in
// any order, except that the start of an operation or a fault must come before its end. If
// the last line was cut off, it is left out and Torn is set. A byte order mark at the start
// is ignored.
func ReadHistory(r io.Reader) (*History, error) {
	d := decoder{open: map[int64]int{}, faults: map[int64]int{}, names: map[string]string{}}
	br := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		text, err := readLine(br)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, &FormatError{Line: n, Err: err}
		}
		last := errors.Is(err, io.EOF)
		if n == 1 {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		if len(bytes.TrimSpace(text)) > 0 {
			if err := d.line(n, text); err != nil {
				if last && n > 1 && !json.Valid(text) {
					d.h.Torn = true
					break
				}
				return nil, &FormatError{Line: n, Err: err}
			}
		}
		if last {
			break
		}
	}
	if d.h.Header.Version == 0 {
		return nil, &FormatError{Line: 1, Err: errors.New(`no header: the first line must be {"kvsim_history":1,...}`)}
	}
	if err := d.order(); err != nil {
		return nil, err
	}
	return &d.h, nil
}

// byteOrderMark is what some editors put at the start of a file.
var byteOrderMark = []byte("\xef\xbb\xbf")

// readLine returns a line without its newline, and io.EOF with the last one. It reads
// no more of a line than mostLine and a buffer.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err == nil {
		return line[:len(line)-1], nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	long := slices.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(long) > mostLine {
			return nil, fmt.Errorf("the line is longer than %d bytes", mostLine)
		}
		line, err = br.ReadSlice('\n')
		long = append(long, line...)
	}
	return bytes.TrimSuffix(long, []byte("\n")), err
}
