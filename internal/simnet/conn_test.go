package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestFramesArriveWholeHoweverTheyAreWritten(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	one, two := request(produceKey, 1, "one"), request(fetchKey, 2, "two")
	stream := append(append([]byte(nil), one...), two...)
	mustWrite(t, c, stream[:3])
	if err := b.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := readErr(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read of part of a frame: %v, want a deadline error", err)
	}
	if err := b.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, c, stream[3:len(one)+5])
	mustRead(t, b, one)
	mustWrite(t, c, stream[len(one)+5:])
	mustRead(t, b, two[:2]) // half reads
	mustRead(t, b, two[2:])
}

func TestNotKafkaIsCarriedAsItIs(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	mustWrite(t, c, []byte("GET / HTTP/1.1\r\n"))
	mustRead(t, b, []byte("GET / HTTP/1.1\r\n"))
	mustWrite(t, b, []byte("HTTP/1.1 200 OK\r\n"))
	mustRead(t, c, []byte("HTTP/1.1 200 OK\r\n"))
}

func TestRawModeCarriesEachWrite(t *testing.T) {
	w := newWorld(t, Config{Raw: true}, 1)
	c, b := w.connect(t, "a", 0)
	mustWrite(t, c, []byte{0, 0})
	mustRead(t, b, []byte{0, 0})
}

func TestOrderlyCloseIsEOFAfterTheData(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	frame := request(produceKey, 1, "last words")
	mustWrite(t, c, frame)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, b, frame)
	if err := readErr(b); err != io.EOF {
		t.Errorf("read after the peer's close: %v, want io.EOF", err)
	}
	if _, err := b.Write(frame); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write after the peer's close: %v, want EPIPE", err)
	}
	if err := readErr(c); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after own close: %v, want net.ErrClosed", err)
	}
	if _, err := c.Write(frame); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after own close: %v, want net.ErrClosed", err)
	}
	if err := c.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v, want net.ErrClosed", err)
	}
	b.Close()
	if n := len(w.pairs); n != 0 {
		t.Errorf("%d connections are remembered after both ends closed", n)
	}
}

func TestCloseAfterLingerZeroIsAReset(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	frame := request(produceKey, 1, "last words")
	mustWrite(t, c, frame)
	if err := c.(interface{ SetLinger(sec int) error }).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, b, frame)
	if err := readErr(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the peer's reset: %v, want ECONNRESET", err)
	}
	b.Close()
	if n := len(w.pairs); n != 0 {
		t.Errorf("%d connections are remembered after both ends closed", n)
	}
}

func TestResetDropsWhatAStallHolds(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.Stall(Target{Clients: []string{"a"}, Dir: ToBroker})
	mustWrite(t, c, request(produceKey, 1, "held"))
	_ = c.(interface{ SetLinger(sec int) error }).SetLinger(0)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := readErr(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the peer's reset: %v, want ECONNRESET", err)
	}
	f.Undo()
	if err := readErr(b); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the stall: %v, want ECONNRESET", err)
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, 1)
		c, b := w.connect(t, "a", 0)
		start := time.Now()
		c.SetReadDeadline(start.Add(time.Second))
		err := readErr(c)
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read past its deadline: %v, want a timeout", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("deadline of 1s took %v", d)
		}
		// A deadline that moves while a read is blocked holds from then on.
		c.SetReadDeadline(time.Time{})
		errs := make(chan error)
		go func() { errs <- readErr(c) }()
		synctest.Wait()
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("blocked read after SetReadDeadline: %v, want a deadline error", err)
		}
		if d := time.Since(start); d != time.Second+time.Minute {
			t.Errorf("moved deadline fired after %v", d)
		}
		// A deadline far in the future is as good as none.
		c.SetDeadline(time.Now().Add(time.Hour))
		mustWrite(t, b, answer(1, "x"))
		mustRead(t, c, answer(1, "x"))
		c.SetWriteDeadline(time.Now().Add(-1))
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write past its deadline: %v", err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	dial := w.Dialer("a")
	isRefused := func(what string, err error) {
		t.Helper()
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: %v, want a dial error with ECONNREFUSED", what, err)
		}
	}
	_, err := dial(context.Background(), "tcp", "127.0.0.1:1")
	isRefused("dial of an unknown port", err)
	if _, err := dial(context.Background(), "tcp", "no port"); err == nil {
		t.Error("dial of an address without a port: no error")
	}
	w.listeners[0].Close()
	_, err = dial(context.Background(), "tcp", w.listeners[0].Addr().String())
	isRefused("dial of a closed listener", err)
	if _, err := w.listeners[0].Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v, want net.ErrClosed", err)
	}
	l, err := w.Listen("tcp", w.listeners[0].Addr().String())
	if err != nil {
		t.Fatalf("listen again: %v", err)
	}
	if _, err := w.Listen("tcp", l.Addr().String()); err == nil {
		t.Error("listen on a port in use: no error")
	}
	if got := l.(*listener).broker; got != 0 {
		t.Errorf("a port listened on again is broker %d, want 0", got)
	}
	w.Close()
	_, err = dial(context.Background(), "tcp", l.Addr().String())
	isRefused("dial after Close", err)
}

func TestNetworkCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Latency: Latency{Min: time.Second}}, 1)
		c, b := w.connect(t, "a", 0)
		f := w.Stall(Target{})
		mustWrite(t, c, request(produceKey, 1, "held"))
		errs := make(chan error, 4)
		go func() { errs <- readErr(b) }()
		go func() { errs <- f.Wait(context.Background(), 99) }()
		go func() {
			_, err := w.Dialer("b")(context.Background(), "tcp", w.listeners[0].Addr().String())
			errs <- err
		}()
		go func() {
			_, err := w.listeners[0].Accept()
			errs <- err
		}()
		synctest.Wait()
		w.Close()
		for range 4 {
			if err := <-errs; err == nil {
				t.Error("a waiter returned without an error after Close")
			}
		}
		if err := readErr(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after Close of the network: %v, want ECONNRESET", err)
		}
	})
}

// TestLatencyIsDrawnPerLink checks that delivery times are within the distribution,
// in order, reproducible to the nanosecond, and independent of other links.
func TestLatencyIsDrawnPerLink(t *testing.T) {
	lat := Latency{Min: time.Millisecond, Mean: 3 * time.Millisecond, Max: 10 * time.Millisecond}
	run := func(seed uint64, others bool) (arrivals []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Config{Seed: seed, Latency: lat}, 2)
			c, b := w.connect(t, "a", 0)
			start := time.Now()
			if others {
				d, _ := w.connect(t, "b", 0)
				e, _ := w.connect(t, "a", 1)
				go func() {
					for i := range int32(100) {
						mustWrite(t, d, request(fetchKey, i, "noise"))
						mustWrite(t, e, request(fetchKey, i, "noise"))
						time.Sleep(137 * time.Microsecond)
					}
				}()
			}
			time.Sleep(time.Until(start.Add(time.Second)))
			start = time.Now()
			for i := range int32(50) {
				mustWrite(t, c, request(produceKey, i, "x"))
				mustRead(t, b, request(produceKey, i, "x"))
				d := time.Since(start)
				start = time.Now()
				if d < lat.Min || d > lat.Max+time.Microsecond {
					t.Errorf("frame %d took %v, want %v to %v", i, d, lat.Min, lat.Max)
				}
				arrivals = append(arrivals, d)
			}
		})
		return arrivals
	}
	same := func(a, b []time.Duration) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return true
	}
	one := run(1, false)
	if !same(one, run(1, false)) {
		t.Error("the same seed gave other delivery times")
	}
	if !same(one, run(1, true)) {
		t.Error("other links' traffic changed this link's delivery times")
	}
	if same(one, run(2, false)) {
		t.Error("another seed gave the same delivery times")
	}
	var sum time.Duration
	for _, d := range one {
		sum += d
	}
	if mean := sum / 50; mean < 2*time.Millisecond || mean > 4*time.Millisecond {
		t.Errorf("mean latency of 50 frames is %v, want about 3ms", mean)
	}
}

func TestNoTwoDeliveriesShareAnInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Latency: Latency{Min: time.Millisecond, Jitter: 2}}, 1)
		const conns, frames = 20, 20
		var mu sync.Mutex
		seen := make(map[int64]bool)
		var wg sync.WaitGroup
		for range conns {
			c, b := w.connect(t, "a", 0)
			wg.Go(func() {
				for i := range int32(frames) {
					mustRead(t, b, request(produceKey, i, ""))
					mu.Lock()
					if seen[time.Now().UnixNano()] {
						t.Error("two deliveries in one instant")
					}
					seen[time.Now().UnixNano()] = true
					mu.Unlock()
				}
			})
			wg.Go(func() {
				for i := range int32(frames) {
					mustWrite(t, c, request(produceKey, i, ""))
					time.Sleep(time.Nanosecond) // those of one instant arrive together
				}
			})
		}
		wg.Wait()
		if len(seen) != conns*frames {
			t.Errorf("%d instants for %d frames", len(seen), conns*frames)
		}
		if len(w.instants) != 0 {
			t.Errorf("%d instants are still taken after all deliveries", len(w.instants))
		}
	})
}

// TestFramesOfOneInstantArriveTogether sends two frames at one instant, as two goroutines
// of a client may. Whichever is written first, each must arrive at the same time.
func TestFramesOfOneInstantArriveTogether(t *testing.T) {
	for _, stalled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Config{Latency: Latency{Min: time.Millisecond, Mean: 5 * time.Millisecond}}, 1)
			c, b := w.connect(t, "a", 0)
			exchange := func(writer, reader net.Conn, frames ...[]byte) (at []time.Time) {
				for _, f := range frames {
					mustWrite(t, writer, f)
				}
				for _, f := range frames {
					mustRead(t, reader, f)
					at = append(at, time.Now())
				}
				return at
			}
			exchange(c, b, request(produceKey, 0, "")) // what the connection is for
			if stalled {
				f := w.Stall(Target{Clients: []string{"a"}})
				time.AfterFunc(time.Second, f.Undo)
			}
			sent := time.Now()
			at := exchange(c, b, request(produceKey, 1, "a"), request(fetchKey, 2, "bb"))
			if !at[0].Equal(at[1]) || !at[0].After(sent) {
				t.Errorf("stalled %v: requests of one instant arrive after %v and %v", stalled, at[0].Sub(sent), at[1].Sub(sent))
			}
			back := exchange(b, c, answer(1, "a"), answer(2, "bb"))
			if !back[0].Equal(back[1]) || !back[0].After(at[0]) {
				t.Errorf("stalled %v: answers of one instant arrive after %v and %v", stalled, back[0].Sub(at[0]), back[1].Sub(at[0]))
			}
			if len(w.instants) != 0 {
				t.Errorf("stalled %v: %d instants are still taken after all deliveries", stalled, len(w.instants))
			}
		})
	}
}

// TestBothEndsAtOnce is for the race detector: many frames go both ways over many
// connections while faults come and go.
func TestBothEndsAtOnce(t *testing.T) {
	w := newWorld(t, Config{Observe: func(Frame) {}}, 2)
	var wg sync.WaitGroup
	for i := range 8 {
		c, b := w.connect(t, "a", i%2)
		wg.Go(func() { io.Copy(b, b) })
		wg.Go(func() {
			defer c.Close()
			payload := bytes.Repeat([]byte{'x'}, 100*i)
			for n := range int32(200) {
				frame := request(produceKey, n, string(payload))
				mustWrite(t, c, frame)
				mustRead(t, c, frame)
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			f := w.Stall(Target{Brokers: []int32{1}})
			d, err := w.Delay(Target{}, Latency{Min: time.Microsecond})
			if err != nil {
				t.Error(err)
			}
			f.Undo()
			d.Undo()
		}
	})
	wg.Wait()
}

// A client that has closed a connection does not have it any more, even if its broker could not hear
// of that.
func TestConnectionIsHeldUntilTheClientClosesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Latency: Latency{Min: time.Millisecond}}, 1)
		c, b := w.connect(t, "c1", 0)
		defer b.Close()
		hole := w.BlackHole(Target{Clients: []string{"c1"}})
		defer hole.Undo()
		for _, want := range []int{1, 0} {
			if got := w.Held("c1"); got != want || w.Held("c2") != 0 {
				t.Errorf("Held = %d of c1 and %d of c2, want %d and 0", got, w.Held("c2"), want)
			}
			c.Close()
			time.Sleep(time.Second)
		}
		if got := w.Conns(Target{}); got != 1 {
			t.Errorf("Conns = %d, want the one that the broker has not heard of", got)
		}
	})
}
