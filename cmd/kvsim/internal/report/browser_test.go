package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
	lin "github.com/kvsim/kvsim/linearizability"
)

// The tests of this file open pages in a real browser.

// save writes the page of a history to a file.
func save(t *testing.T, r report.Report) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(name, []byte(write(t, r)), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// scripts for the pages.
const (
	shown    = "document.getElementById('counts').textContent"
	current  = "[...document.querySelectorAll('.violation.current')].map((v) => v.id).join()"
	selected = "document.querySelector('.row.selected')?.dataset.op ?? ''"
	focus    = "document.activeElement.id"
	// redPixels counts the pixels of the timeline in the colour of violations.
	redPixels = `(() => {
		const canvas = document.getElementById('lanes');
		const hex = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
		const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
		const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
		copy.drawImage(canvas, 0, 0);
		const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
		let n = 0;
		for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) n++;
		return n;
	})()`
)

func (p *tab) text(script string) string {
	p.t.Helper()
	var s string
	p.eval(script, &s)
	return s
}

func (p *tab) want(script, want string) {
	p.t.Helper()
	if got := p.text(script); got != want {
		p.t.Errorf("%s = %q, want %q", script, got, want)
	}
}

// enter sets a field as a user does.
func (p *tab) enter(id, value string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`(() => {
		const field = document.getElementById(%q);
		field.value = %q;
		field.dispatchEvent(new Event(field.type === 'search' ? 'input' : 'change', { bubbles: true }));
	})()`, id, value), nil)
	p.drawn()
}

func (p *tab) clickOn(selector string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q).click()", selector), nil)
	p.drawn()
}

func TestBrowserShowsTheViolation(t *testing.T) {
	b := startChromium(t)
	h := history(t, 1000)
	v := lin.Check(h, lin.Options{})
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			p := b.open(t, save(t, report.Report{History: h, Verdict: v, Brokers: 3}), scheme, 1280, 1000)
			p.want("document.getElementById('status').textContent", "violated")
			p.want(current, "violation-1")
			p.want(selected, fmt.Sprint(v.Violations[0].Ops[0]))
			p.want("getComputedStyle(document.querySelector('.row.selected')).outlineStyle", "solid")
			p.want("document.querySelector('#detail a').textContent", "violation 1, "+string(v.Violations[0].Check))
			var red, dark int
			p.eval(redPixels, &red)
			if red < 100 {
				t.Errorf("%d pixels of the timeline have the colour of violations", red)
			}
			p.eval("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).every((n) => n < 60) ? 1 : 0", &dark)
			if (dark == 1) != (scheme == "dark") {
				t.Errorf("the page is dark: %v", dark == 1)
			}
			p.eval("document.getElementById('offending').scrollIntoView()", nil)
			// If the violation's operations are filtered out, nothing is red.
			p.enter("key", "key/00")
			p.clickOn("#clients input[data-client='2']")
			p.eval(redPixels, &red)
			if red > 60 { // the record in the log is still shown
				t.Errorf("%d red pixels are left in the timeline", red)
			}
		})
	}
	b.quiet(t)
}

func TestBrowserFilters(t *testing.T) {
	b := startChromium(t)
	h := history(t, 1000)
	v := lin.Check(h, lin.Options{})
	total := len(h.Ops)
	byClient, byKey, unknown, offending := 0, 0, 0, map[int64]bool{}
	for i := range h.Ops {
		o := &h.Ops[i]
		if o.Client == "c2" {
			byClient++
		}
		if o.Key == "key/02" || (o.Kind == lin.OpRange && o.Start <= "key/02" && "key/02" < o.End) {
			byKey++
		}
		if o.Outcome == lin.Unknown || o.Outcome == lin.Pending {
			unknown++
		}
	}
	for _, w := range v.Violations {
		for _, id := range w.Ops {
			offending[id] = true
		}
	}
	p := b.open(t, save(t, report.Report{History: h, Verdict: v}), "light", 1280, 1000)
	some := func(n int) string { return fmt.Sprintf("%d of %d operations pass the filters", n, total) }
	all := fmt.Sprintf("%d of %d operations", total, total)
	rows := "document.getElementById('table').getAttribute('aria-rowcount')"
	p.want(shown, all)

	p.enter("key", "key/02")
	p.want(shown, some(byKey))
	p.want(rows, fmt.Sprint(byKey+1))
	p.want("[...new Set([...document.querySelectorAll('#table-space .row')].map((r) => r.children[4].textContent).filter((s) => s.startsWith('put')).map((s) => s.slice(0, 12)))].join()", `put("key/02"`)
	p.enter("key", "no such key")
	p.want(shown, some(0))
	p.press("Escape")
	p.want(shown, all)

	p.enter("outcome", "unknown")
	p.want(shown, some(unknown))
	p.clickOn("#reset")
	p.want(shown, all)

	p.clickOn("#offending")
	p.want(shown, some(len(offending)))
	p.clickOn("#offending")
	p.want(shown, all)

	// A click on a client's name shows only that client; a second click shows all.
	p.clickOn("#zoom-all")
	p.eval("document.getElementById('timeline').scrollIntoView()", nil)
	p.drawn()
	var at [2]float64
	p.eval("(() => { const box = document.getElementById('lanes').getBoundingClientRect(); return [box.left, box.top]; })()", &at)
	p.click(at[0]+30, at[1]+lane(p, "c2"))
	p.want(shown, some(byClient))
	p.want("[...document.querySelectorAll('#clients input:checked')].map((b) => b.parentElement.textContent).join()", "c2")
	p.click(at[0]+30, at[1]+lane(p, "c2"))
	p.want(shown, all)
	b.quiet(t)
}

// lane returns the position of a client's lane. The page does not expose it, so lane looks for
// a tooltip.
func lane(p *tab, client string) float64 {
	p.t.Helper()
	var y float64
	p.eval(fmt.Sprintf(`new Promise((done) => {
		const canvas = document.getElementById('lanes');
		const tip = document.querySelector('.tip');
		const box = canvas.getBoundingClientRect();
		for (let y = 24; y < box.height; y += 4) {
			for (let x = 110; x < box.width; x += 3) {
				canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
				if (!tip.hidden && tip.textContent.includes('\n' + %q + ', process')) return done(y);
			}
		}
		done(-1);
	})`, client), &y)
	if y < 0 {
		p.t.Fatalf("no operation of %s is under the mouse anywhere", client)
	}
	return y
}

func TestBrowserKeysAndLinks(t *testing.T) {
	b := startChromium(t)
	m := newMaker(4, 6)
	m.open()
	m.run(200)
	m.staleRead("c1", "key/01")
	m.run(200)
	m.staleRead("c2", "key/02")
	m.run(200)
	h := m.r.History()
	v := lin.Check(h, lin.Options{})
	if len(v.Violations) < 2 {
		t.Fatalf("%d violations, want two", len(v.Violations))
	}
	p := b.open(t, save(t, report.Report{History: h, Verdict: v}), "light", 1280, 1000)
	first, second := v.Violations[0], v.Violations[1]

	p.press("n")
	p.want(current, "violation-2")
	p.want(selected, fmt.Sprint(second.Ops[0]))
	p.want("[...document.querySelectorAll('.violation[open]')].map((v) => v.id).join()", "violation-2")
	p.press("p")
	p.want(current, "violation-1")
	i := slices.IndexFunc(h.Ops, func(o lin.Operation) bool { return o.ID == first.Ops[0] })
	p.press("j")
	p.want(selected, fmt.Sprint(h.Ops[i+1].ID))
	p.press("k")
	p.want(selected, fmt.Sprint(h.Ops[i].ID))
	p.press("a")
	p.want("document.getElementById('axis').value", "order")
	p.press("a")
	p.want("document.getElementById('axis').value", "time")
	p.press("o")
	p.want("String(document.getElementById('offending').checked)", "true")
	p.press("o")
	p.press("?")
	p.want("String(document.getElementById('help').open)", "true")
	p.eval("document.getElementById('help').close()", nil)
	p.press("/")
	p.want(focus, "key")
	p.press("n") // in a field a key is text, not a command
	p.want(current, "violation-1")
	p.press("Escape")
	p.want("document.getElementById('key').value", "")
	p.want(selected, "")

	p.eval("document.activeElement.blur()", nil)
	p.press("t")
	p.want(focus, "table")
	p.press("Home")
	p.want(selected, fmt.Sprint(h.Ops[0].ID))
	p.press("ArrowDown")
	p.want(selected, fmt.Sprint(h.Ops[1].ID))
	p.want("document.getElementById('table').getAttribute('aria-activedescendant')", fmt.Sprintf("row-%d", h.Ops[1].ID))
	p.press("End")
	p.want(selected, fmt.Sprint(h.Ops[len(h.Ops)-1].ID))

	link := fmt.Sprintf("a[href='#op-%d']", second.Ops[0])
	p.clickOn(link)
	p.await("document.querySelector('.violation.current')?.id === 'violation-2'")
	p.want(selected, fmt.Sprint(second.Ops[0]))

	p.eval("document.activeElement.blur(), window.getSelection().removeAllRanges(), document.querySelector('.skip').focus()", nil)
	order := []string{"skip"}
	for range 60 {
		p.press("Tab")
		id := p.text("document.activeElement.id || document.activeElement.className || document.activeElement.tagName")
		if id == "BODY" || id == "skip" {
			break
		}
		order = append(order, id)
	}
	if got, want := inOrder(order, "skip", "key", "outcome", "offending", "reset", "zoom-in", "axis", "help-open", "timeline", "table"), true; got != want {
		t.Errorf("the focus goes %s", strings.Join(order, " "))
	}
	b.quiet(t)
}

// inOrder reports whether the list has the wanted strings in their order.
func inOrder(list []string, wanted ...string) bool {
	for _, s := range list {
		if len(wanted) > 0 && s == wanted[0] {
			wanted = wanted[1:]
		}
	}
	return len(wanted) == 0
}

func TestBrowserShowsPorcupinesPicture(t *testing.T) {
	b := startChromium(t)
	p := b.open(t, save(t, report.Report{History: history(t, 300)}), "light", 1280, 1000)
	frame := p.frame()
	frame.want("String(document.querySelectorAll('.history-rect').length > 3)", "true")
	// Boxes are as wide as their text if the text could be measured.
	frame.want("String([...document.querySelectorAll('.history-rect')].every((r) => r.getBBox().width > 40))", "true")
	frame.want("(() => { try { return String(parent.document.title) } catch { return 'apart' } })()", "apart")
	b.quiet(t)
}

func TestBrowserTakesHostileTextForText(t *testing.T) {
	b := startChromium(t)
	h := hostile(t)
	p := b.open(t, save(t, report.Report{History: h, Title: attacks[0], Plan: attacks[0], Notes: attacks}), "light", 1280, 1000)
	for i := range h.Ops {
		p.eval(fmt.Sprintf("location.hash = '#op-%d'", h.Ops[i].ID), nil)
		p.drawn()
	}
	p.press("0")
	lane(p, "c1") // tooltips too
	p.want("document.querySelector('h1').textContent", attacks[0])
	frame := p.frame()
	frame.want("String(document.querySelectorAll('.history-rect').length > 0)", "true")
	// The picture shows states as HTML when the mouse is over an operation.
	frame.eval(`document.querySelectorAll('.target-rect').forEach((r) => {
		for (const kind of ['mouseover', 'mousemove']) r.dispatchEvent(new MouseEvent(kind, { bubbles: true }));
	})`, nil)
	for _, page := range []*tab{p, frame} {
		page.want("String(window.hacked)", "undefined")
		page.want("String(document.querySelectorAll('img, svg[onload]').length)", "0")
	}
	b.quiet(t)
}

func TestBrowserPolicyRefusesOtherScripts(t *testing.T) {
	b := startChromium(t)
	p := b.open(t, save(t, report.Report{History: history(t, 100)}), "light", 1280, 1000)
	p.eval(`(() => {
		const script = document.createElement('script');
		script.textContent = 'window.hacked = 1';
		document.body.append(script);
	})()`, nil)
	p.want("String(window.hacked)", "undefined")
}

// With ten thousand operations the page must not have more elements, and each operation must be
// reachable.
func TestBrowserWithTenThousandOperations(t *testing.T) {
	b := startChromium(t)
	h := history(t, 10_000)
	v := lin.Check(h, lin.Options{})
	p := b.open(t, save(t, report.Report{History: h, Verdict: v, Brokers: 3}), "light", 1280, 1000)
	p.press("0")
	var elements int
	p.eval("document.querySelectorAll('*').length", &elements)
	if elements > 1500 {
		t.Errorf("the page has %d elements", elements)
	}
	p.eval("document.getElementById('table').focus()", nil)
	p.press("End")
	p.want(selected, fmt.Sprint(h.Ops[len(h.Ops)-1].ID))
	var frames []float64
	p.eval(`(async () => {
		const times = [];
		for (let i = 0; i < 10; i++) {
			const start = performance.now();
			document.getElementById('zoom-all').click();
			await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
			times.push(performance.now() - start);
		}
		return times;
	})()`, &frames)
	slices.Sort(frames)
	t.Logf("a drawing of all %d operations takes %.0f ms (median of %d)", len(h.Ops), frames[len(frames)/2], len(frames))
	b.quiet(t)
}
