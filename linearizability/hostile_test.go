package linearizability_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// allocated returns how many bytes fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A history of some lines costs what some lines cost, whatever numbers are in it, to read and to
// judge.
func TestReadHistory_and_Check_allocate_nothing_by_a_claim(t *testing.T) {
	for _, n := range []string{"0", "1", "2147483647", "2147483648", "1152921504606846975", "1152921504606846976", "9223372036854775807", "-1", "-9223372036854775808"} {
		for _, field := range []string{"seq", "t", "op", "proc", "limit", "rev", "pos", "offset", "fault", "removed"} {
			value := n
			if field == "removed" {
				value = "[" + n + "]"
			}
			lines := []string{`{"kvsim_history":1,"tap":"exact","hooks":true}`}
			for i, text := range []string{
				`"ev":"fault","fault":1,"text":"lag client=c1"`,
				`"ev":"invoke","client":"c1","op":1,"call":"put","key":"a","value":"v1"`,
				`"ev":"append","offset":0,"key":"a","value":"v1"`,
				`"ev":"ok","op":1,"rev":0,"pos":1`,
				`"ev":"hook","client":"c1","call":"set","key":"a","value":"v1","offset":0`,
				`"ev":"invoke","client":"c1","op":2,"call":"range","limit":2`,
				`"ev":"ok","op":2,"pos":1,"items":[{"key":"a","value":"v1","rev":0}]`,
				`"ev":"invoke","client":"c1","op":3,"call":"wait","rev":0`,
				`"ev":"ok","op":3,"pos":1`,
				`"ev":"rebuild","client":"c1","cause":"loss"`,
				`"ev":"compact","removed":[0]`,
				`"ev":"uncompact","returned":[0]`,
				`"ev":"truncate","offset":1`,
				`"ev":"end","offset":1`,
				`"ev":"snapshot","of":"final","client":"c1","pos":1,"items":[{"key":"a","value":"v1","rev":0}]`,
				`"ev":"heal","fault":1`,
			} {
				lines = append(lines, fmt.Sprintf(`{"seq":%d,"t":%d,%s}`, i+1, i, text))
			}
			for at := 1; at < len(lines); at++ {
				changed := append([]string(nil), lines...)
				fields := strings.Split(strings.TrimSuffix(changed[at], "}"), ",")
				kept := fields[:0]
				for _, f := range fields {
					if !strings.HasPrefix(strings.TrimPrefix(f, "{"), `"`+field+`":`) {
						kept = append(kept, f)
					}
				}
				changed[at] = "{" + strings.TrimPrefix(strings.Join(append(kept, fmt.Sprintf(`"%s":%s`, field, value)), ","), "{") + "}"
				text := strings.Join(changed, "\n")
				if used := allocated(func() {
					if h, err := lin.ReadHistory(strings.NewReader(text)); err == nil {
						lin.Check(h, lin.Options{})
					}
				}); used > 16<<20 {
					t.Errorf("%s of line %d is %s: %d bytes are allocated for\n%s", field, at+1, value, used, text)
				}
			}
		}
	}
}
