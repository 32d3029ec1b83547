package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
	lin "github.com/kvsim/kvsim/linearizability"
)

// FuzzReport draws the pages of small histories with any bytes in them. A page has the scripts
// that it is made with and no others.
func FuzzReport(f *testing.F) {
	f.Add("{\"kvsim_history\":1}\n{\"seq\":1,\"t\":0,\"ev\":\"invoke\",\"client\":\"c1\",\"op\":1,\"call\":\"put\",\"key\":\"</script><script>\",\"value\":\"v\"}\n{\"seq\":2,\"t\":1,\"ev\":\"ok\",\"op\":1,\"rev\":0}", "title", "plan")
	f.Add("{\"kvsim_history\":1,\"tap\":\"exact\",\"meta\":{\"a\":\"<b>\"}}\n{\"seq\":1,\"t\":9223372036854775807,\"ev\":\"fault\",\"fault\":1,\"text\":\"restart broker=99999999999\"}", "<!--", "lag client=c1")
	f.Add("{\"kvsim_history\":1}\n{\"seq\":1,\"t\":0,\"ev\":\"append\",\"offset\":1152921504606846975,\"key\":\"%00\",\"value\":\"~\"}", "", "")
	f.Fuzz(func(t *testing.T, history, title, plan string) {
		if len(history) > 1<<12 {
			return
		}
		h, err := lin.ReadHistory(strings.NewReader(history))
		if err != nil || h.Events() > 40 {
			return
		}
		v := lin.Check(h, lin.Options{Porcupine: lin.PorcupineOptions{MaxSteps: 200, TotalSteps: 1000}})
		var page bytes.Buffer
		if err := report.Write(&page, report.Report{History: h, Verdict: v, Title: title, Plan: plan}); err != nil {
			t.Fatal(err)
		}
		lower := bytes.ToLower(page.Bytes())
		if opened, closed := bytes.Count(lower, []byte("<script")), bytes.Count(lower, []byte("</script")); opened != closed || opened != scriptsOfAPage(t) {
			t.Errorf("a page with %d scripts of which %d end, want %d", opened, closed, scriptsOfAPage(t))
		}
	})
}

// scriptsOfAPage counts the scripts of a page without anything in it.
func scriptsOfAPage(t *testing.T) int {
	t.Helper()
	return strings.Count(strings.ToLower(write(t, report.Report{History: &lin.History{}})), "<script")
}
