package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lin "github.com/kvsim/kvsim/linearizability"
)

// printable returns a key, a value id or a name in the escaped form of the history format: the
// characters % " and \, and each byte that is not printable text, become % and two hexadecimal
// digits. Different bytes stay different, and none of them can reverse or hide the text around it.
func printable(s string) string { return escape(s, `%"\`) }

// clean returns text for people, with everything escaped that is not printable. Ends of lines stay.
func clean(s string) string { return escape(s, "") }

func escape(s, also string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, strings.ContainsRune(also, r),
			!unicode.IsPrint(r) && (also != "" || r != '\n' && r != '\t'):
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

func quote(key string) string { return `"` + printable(key) + `"` }

func valueName(id string) string {
	if id == "" {
		return "no value"
	}
	return printable(id)
}

// callText returns an operation as it was called.
func callText(o *lin.Operation) string {
	barrier := ""
	if o.Barrier {
		barrier = "barrier "
	}
	args := argumentsText(o)
	if extra := clean(o.DescribeDetails()); extra != "" && args != "" {
		args += ", " + extra
	} else {
		args += extra
	}
	return barrier + o.Kind.String() + "(" + args + ")"
}

// argumentsText returns what an operation was called with, except for its details.
func argumentsText(o *lin.Operation) string {
	switch o.Kind {
	case lin.OpPut:
		return quote(o.Key) + ", " + printable(o.Value)
	case lin.OpDelete, lin.OpGet:
		return quote(o.Key)
	case lin.OpBatch, lin.OpTxn:
		return itemsText(o.Items)
	case lin.OpRange, lin.OpWatch:
		end := "end"
		if o.End != "" {
			end = quote(o.End)
		}
		limit := ""
		if o.Limit > 0 {
			limit = fmt.Sprintf(", limit %d", o.Limit)
		}
		return quote(o.Start) + ", " + end + limit
	case lin.OpWait:
		return strconv.FormatInt(o.Revision, 10)
	default:
	}
	return ""
}

// resultText returns the values that a read returned, or the error.
func resultText(o *lin.Operation) string {
	switch {
	case o.Outcome == lin.Pending:
		return "never returned"
	case o.Outcome != lin.OK:
		return clean(o.Err)
	case o.Kind == lin.OpGet:
		return valueName(o.Value)
	case o.Kind == lin.OpRange:
		return "{" + itemsText(o.Items) + "}"
	}
	return ""
}

// mostItems is the maximum number of items of a batch or a range in a text.
const mostItems = 12

func itemsText(items []lin.Item) string {
	var parts []string
	for i, it := range items {
		if i == mostItems {
			parts = append(parts, fmt.Sprintf("and %d more", len(items)-i))
			break
		}
		parts = append(parts, quote(it.Key)+": "+valueName(it.Value))
	}
	return strings.Join(parts, ", ")
}

// duration returns a time with at most four significant digits.
func duration(d time.Duration) string {
	for unit := time.Duration(1); unit < time.Hour; unit *= 10 {
		if d < 10_000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Minute).String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
