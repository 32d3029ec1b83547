package report_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// requireEnv is the environment variable that makes the tests fail if there is no Chromium.
const requireEnv = "KVSIM_REQUIRE_CHROMIUM"

// patience is how long to wait for a browser that does not answer. Nothing else depends on it.
const patience = 2 * time.Minute

// A chromium is a browser without a window, driven by its DevTools protocol
// over a pair of pipes.
type chromium struct {
	to   *os.File
	mu   sync.Mutex
	next int
	// answers has the calls under way, complaints the errors of pages.
	answers    map[int]chan message
	complaints []string
	// frames gets the session of each frame that has a process of its own.
	frames chan string
	loaded chan struct{}
	gone   chan struct{}
}

type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// findChromium returns the path of the browser, or skips the test.
func findChromium(t *testing.T) string {
	t.Helper()
	if testing.Short() && os.Getenv(requireEnv) == "" {
		t.Skip("opens pages in Chromium; not with -short (make test-report does it)")
	}
	for _, name := range []string{os.Getenv("KVSIM_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	if os.Getenv(requireEnv) != "" {
		t.Fatalf("there is no Chromium, and %s is set: install the package chromium", requireEnv)
	}
	t.Skip("there is no Chromium: install the package chromium, or set KVSIM_CHROMIUM to its path")
	return ""
}

// startChromium starts a browser that ends with the test.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	path := findChromium(t)
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{
		"--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
		"--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(), "--remote-debugging-pipe",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // as root, Chromium refuses to run with a sandbox
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{in, out} // file descriptors 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Close(), out.Close()
	b := &chromium{to: to, answers: map[int]chan message{}, frames: make(chan string, 64), loaded: make(chan struct{}, 8), gone: make(chan struct{})}
	go b.read(from)
	t.Cleanup(func() {
		// If told to, the browser ends by itself and leaves no process behind.
		_, _ = b.send("", "Browser.close", nil)
		select {
		case <-b.gone:
		case <-time.After(patience):
		}
		cancel()
		_ = cmd.Wait()
		_, _ = to.Close(), from.Close()
	})
	return b
}

// read reads messages of the browser until it is gone.
func (b *chromium) read(from *os.File) {
	defer close(b.gone)
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(data[:len(data)-1], &m); err != nil {
			b.complain(fmt.Sprintf("not a message: %v", err))
			continue
		}
		b.take(m)
	}
}

func (b *chromium) take(m message) {
	switch m.Method {
	case "":
		b.mu.Lock()
		answer := b.answers[m.ID]
		delete(b.answers, m.ID)
		b.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	case "Runtime.exceptionThrown", "Log.entryAdded":
		b.complain(m.Method + ": " + string(m.Params))
	case "Runtime.consoleAPICalled":
		var call struct{ Type string }
		_ = json.Unmarshal(m.Params, &call)
		if call.Type == "error" || call.Type == "warning" || call.Type == "assert" {
			b.complain("console: " + string(m.Params))
		}
	case "Network.requestWillBeSent":
		var r struct{ Request struct{ URL string } }
		_ = json.Unmarshal(m.Params, &r)
		if !strings.HasPrefix(r.Request.URL, "file:") && !strings.HasPrefix(r.Request.URL, "about:") {
			b.complain("request: " + r.Request.URL)
		}
	case "Page.loadEventFired":
		b.loaded <- struct{}{}
	case "Target.attachedToTarget":
		if m.Session == "" {
			return // a tab that open attached to
		}
		// A frame in a process of its own: listen to it too.
		var a struct {
			SessionID string `json:"sessionId"`
		}
		_ = json.Unmarshal(m.Params, &a)
		for _, method := range []string{"Runtime.enable", "Log.enable", "Network.enable", "Runtime.runIfWaitingForDebugger"} {
			_, _ = b.send(a.SessionID, method, nil)
		}
		b.frames <- a.SessionID
	}
}

func (b *chromium) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

// send calls a method and returns the channel of its answer.
func (b *chromium) send(session, method string, params any) (<-chan message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	call := map[string]any{"id": b.next, "method": method}
	if session != "" {
		call["sessionId"] = session
	}
	if params != nil {
		call["params"] = params
	}
	data, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	answer := make(chan message, 1)
	b.answers[b.next] = answer
	_, err = b.to.Write(append(data, 0))
	return answer, err
}

// call calls a method and waits for its answer.
func (b *chromium) call(session, method string, params, result any) error {
	answer, err := b.send(session, method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-b.gone:
		return errors.New(method + ": the browser is gone")
	case <-time.After(patience):
		return errors.New(method + ": no answer")
	}
}

// A tab is a page in the browser.
type tab struct {
	t       *testing.T
	b       *chromium
	session string
}

// open opens a file in a new tab of a size, in the light or the dark.
func (b *chromium) open(t *testing.T, name, scheme string, width, height int) *tab {
	t.Helper()
	name, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	var target struct{ TargetID string }
	var attached struct{ SessionID string }
	p := &tab{t: t, b: b}
	p.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	p.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	for _, method := range []string{"Page.enable", "Runtime.enable", "Log.enable", "Network.enable"} {
		p.do(method, nil, nil)
	}
	p.do("Target.setAutoAttach", map[string]any{"autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true}, nil)
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	for len(b.loaded) > 0 {
		<-b.loaded
	}
	p.do("Page.navigate", map[string]any{"url": "file://" + name}, nil)
	select {
	case <-b.loaded:
	case <-time.After(patience):
		t.Fatal("the page does not load")
	}
	p.await("document.documentElement.dataset.ready === 'true'")
	return p
}

func (p *tab) do(method string, params, result any) {
	p.t.Helper()
	if err := p.b.call(p.session, method, params, result); err != nil {
		p.t.Fatal(err)
	}
}

// eval runs JavaScript in the page and reads its value. If that is a promise, it waits for it.
func (p *tab) eval(script string, value any) {
	p.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	p.do("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &answer)
	if answer.ExceptionDetails != nil {
		p.t.Fatalf("%s: %s", script, answer.ExceptionDetails)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Result.Value, value); err != nil {
			p.t.Fatalf("%s = %s: %v", script, answer.Result.Value, err)
		}
	}
}

// await waits until an expression is true. It checks whenever the page draws.
func (p *tab) await(expression string) {
	p.t.Helper()
	p.eval(`new Promise((done) => {
		const look = () => (`+expression+`) ? done(true) : requestAnimationFrame(look);
		look();
	})`, nil)
}

// drawn waits until the page has drawn what was changed before.
func (p *tab) drawn() {
	p.t.Helper()
	p.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))", nil)
}

// frame returns the frame of the picture. The frame is sandboxed, and so has a process of its own.
// It draws when it comes into view.
func (p *tab) frame() *tab {
	p.t.Helper()
	p.await("document.querySelector('#picture iframe').dataset.loaded")
	select {
	case session := <-p.b.frames:
		f := &tab{t: p.t, b: p.b, session: session}
		p.eval("document.getElementById('picture').scrollIntoView()", nil)
		f.await("document.querySelector('.history-rect')")
		return f
	case <-time.After(patience):
		p.t.Fatal("no frame was made")
		return nil
	}
}

// press presses a key.
func (p *tab) press(key string) {
	p.t.Helper()
	down := map[string]any{"type": "keyDown", "key": key}
	if len(key) == 1 {
		down["text"] = key
	}
	if key == "Tab" {
		down["windowsVirtualKeyCode"] = 9
	}
	p.do("Input.dispatchKeyEvent", down, nil)
	p.do("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
	p.drawn()
}

// click clicks at a place of the page.
func (p *tab) click(x, y float64) {
	p.t.Helper()
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}, nil)
	}
	p.drawn()
}

// screenshot writes a PNG of what the tab shows.
func (p *tab) screenshot(name string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.do("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(name, data, 0o666)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// quiet fails the test if a page has complained.
func (b *chromium) quiet(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.complaints {
		t.Errorf("the browser complains: %s", text)
	}
}
