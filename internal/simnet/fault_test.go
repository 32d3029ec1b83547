package simnet

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func wantHits(t *testing.T, f *Effect, n int) {
	t.Helper()
	if got := f.Hits(); got != n {
		t.Errorf("Hits() = %d, want %d", got, n)
	}
}

func nothingToRead(t *testing.T, c interface {
	SetReadDeadline(time.Time) error
	Read([]byte) (int, error)
},
) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Hour))
	defer c.SetReadDeadline(time.Time{})
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read = %d, %v, want nothing for an hour", n, err)
	}
}

func TestLostRequestNeverReachesTheBroker(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.LoseRequest(Target{Keys: []int16{produceKey}}, 1)
	mustWrite(t, c, request(fetchKey, 1, "other key"))
	mustRead(t, b, request(fetchKey, 1, "other key"))
	wantHits(t, f, 0)
	mustWrite(t, c, request(produceKey, 2, "lost"))
	wantHits(t, f, 1)
	for _, end := range []io.Reader{c, b} {
		if n, err := end.Read(make([]byte, 9)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read after a lost request = %d, %v, want ECONNRESET", n, err)
		}
	}
	c, b = w.connect(t, "a", 0)
	mustWrite(t, c, request(produceKey, 1, "next"))
	mustRead(t, b, request(produceKey, 1, "next"))
	wantHits(t, f, 1)
	if err := f.Wait(context.Background(), 2); !errors.Is(err, ErrUndone) {
		t.Errorf("Wait for more hits than the fault had: %v, want ErrUndone", err)
	}
}

func TestLostAnswerIsMatchedByItsRequest(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.LoseAnswer(Target{Keys: []int16{produceKey}}, 1)
	mustWrite(t, c, request(fetchKey, 7, ""))
	mustWrite(t, c, request(produceKey, 8, "acts"))
	mustRead(t, b, request(fetchKey, 7, ""))
	mustRead(t, b, request(produceKey, 8, "acts"))
	mustWrite(t, b, answer(7, "fetched"))
	mustRead(t, c, answer(7, "fetched"))
	done := make(chan error)
	go func() { done <- f.Wait(t.Context(), 1) }()
	mustWrite(t, b, answer(8, "produced"))
	if err := <-done; err != nil {
		t.Errorf("Wait(1) = %v", err)
	}
	if err := readErr(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client reads %v, want ECONNRESET", err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client writes %v, want ECONNRESET", err)
	}
}

func TestCutFrameDeliversAPrefix(t *testing.T) {
	for _, lat := range []Latency{{}, {Min: time.Millisecond}} {
		t.Run(fmt.Sprint(lat.Min), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{Latency: lat}, 1)
				c, b := w.connect(t, "a", 0)
				f := w.CutFrame(Target{Dir: ToBroker, Keys: []int16{produceKey}}, 5, 1)
				mustWrite(t, c, request(produceKey, 1, "cut"))
				mustRead(t, b, request(produceKey, 1, "cut")[:5])
				if err := readErr(b); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("broker reads %v after the prefix, want ECONNRESET", err)
				}
				if err := readErr(c); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("client reads %v, want ECONNRESET", err)
				}
				wantHits(t, f, 1)
			})
		})
	}
}

func TestStallHoldsAndThenBursts(t *testing.T) {
	for _, lat := range []Latency{{}, {Min: time.Millisecond, Mean: 2 * time.Millisecond}} {
		t.Run(fmt.Sprint(lat.Min), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{Latency: lat}, 1)
				c, b := w.connect(t, "a", 0)
				f := w.Stall(Target{Clients: []string{"a"}, Dir: ToBroker})
				for i := range int32(3) {
					mustWrite(t, c, request(produceKey, i, "x"))
				}
				nothingToRead(t, b)
				mustWrite(t, b, answer(9, "the other direction works"))
				mustRead(t, c, answer(9, "the other direction works"))
				released := time.Now()
				f.Undo()
				for i := range int32(3) {
					mustRead(t, b, request(produceKey, i, "x"))
				}
				if d := time.Since(released); d > 4*Round {
					t.Errorf("the burst took %v", d)
				}
				if f.Hits() == 0 {
					t.Error("the stall held frames but counts no hit")
				}
				mustWrite(t, c, request(produceKey, 3, "x"))
				mustRead(t, b, request(produceKey, 3, "x"))
			})
		})
	}
}

func TestStallForEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, 1)
		c, b := w.connect(t, "a", 0)
		start := time.Now()
		f := w.StallFor(Target{}, 5*time.Second)
		mustWrite(t, c, request(produceKey, 1, "x"))
		mustRead(t, b, request(produceKey, 1, "x"))
		if d := time.Since(start); d != 5*time.Second {
			t.Errorf("the frame came after %v, want 5s", d)
		}
		wantHits(t, f, 1)
	})
}

func TestBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone int
		w := newWorld(t, Config{Observe: func(f Frame) {
			if f.Fate == Vanished {
				gone++
			}
		}}, 1)
		c, b := w.connect(t, "a", 0)
		f := w.BlackHole(Target{Dir: ToBroker})
		mustWrite(t, c, request(produceKey, 1, "gone"))
		nothingToRead(t, b)
		mustWrite(t, b, answer(9, "the other direction works"))
		mustRead(t, c, answer(9, "the other direction works"))
		wantHits(t, f, 1)

		start := time.Now()
		_, err := w.Dialer("a")(context.Background(), "tcp", w.listeners[0].Addr().String())
		if d := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || d != 10*time.Second {
			t.Errorf("dial into the black hole: %v after %v, want a timeout after 10s", err, d)
		}
		f.Undo()
		mustWrite(t, c, request(produceKey, 2, "gone too"))
		nothingToRead(t, b)
		if gone != 2 {
			t.Errorf("the observer saw %d frames vanish, want 2", gone)
		}
		c, b = w.connect(t, "a", 0)
		mustWrite(t, c, request(produceKey, 3, "a new connection works"))
		mustRead(t, b, request(produceKey, 3, "a new connection works"))
		wantHits(t, f, 2)
	})
}

func TestSilenceTakesConnectionsAndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, 1)
		f := w.Silence(Target{Brokers: []int32{0}})
		c, b := w.connect(t, "a", 0)
		mustWrite(t, c, request(produceKey, 1, "gone"))
		nothingToRead(t, b)
		mustWrite(t, b, answer(1, "gone"))
		nothingToRead(t, c)
		wantHits(t, f, 2)
		f.Undo()
		mustWrite(t, c, request(produceKey, 2, "gone too"))
		nothingToRead(t, b)
		c, b = w.connect(t, "a", 0)
		mustWrite(t, c, request(produceKey, 3, "a new connection works"))
		mustRead(t, b, request(produceKey, 3, "a new connection works"))
	})
}

func TestRefuseDials(t *testing.T) {
	w := newWorld(t, Config{}, 2)
	f := w.RefuseDials(Target{Clients: []string{"a"}, Brokers: []int32{1}})
	w.connect(t, "a", 0)
	w.connect(t, "b", 1)
	wantHits(t, f, 0)
	_, err := w.Dialer("a")(t.Context(), "tcp", w.listeners[1].Addr().String())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want ECONNREFUSED", err)
	}
	wantHits(t, f, 1)
	f.Undo()
	f.Undo()
	w.connect(t, "a", 1)
}

func TestDropConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{Latency: Latency{Min: time.Millisecond}}, 2)
		c, b := w.connect(t, "a", 0)
		other, otherB := w.connect(t, "a", 1)
		mustWrite(t, c, request(produceKey, 1, "in flight"))
		start := time.Now()
		if n := w.DropConns(Target{Brokers: []int32{0}}); n != 1 {
			t.Errorf("DropConns = %d, want 1", n)
		}
		if n := w.DropConns(Target{Brokers: []int32{0}}); n != 0 {
			t.Errorf("DropConns again = %d, want 0", n)
		}
		if err := readErr(b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("broker reads %v, want ECONNRESET", err)
		}
		if err := readErr(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("client reads %v, want ECONNRESET", err)
		}
		if d := time.Since(start); d < time.Millisecond {
			t.Errorf("both ends knew of the reset after %v, want a latency", d)
		}
		mustWrite(t, other, request(produceKey, 1, "alive"))
		mustRead(t, otherB, request(produceKey, 1, "alive"))
	})
}

func TestDelaysAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, 1)
		c, b := w.connect(t, "a", 0)
		for _, d := range []time.Duration{time.Second, time.Minute} {
			if _, err := w.Delay(Target{Dir: ToBroker}, Latency{Min: d, Jitter: 1}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		mustWrite(t, c, request(produceKey, 1, "x"))
		mustRead(t, b, request(produceKey, 1, "x"))
		if d := time.Since(start); d < time.Minute+time.Second+2 || d >= time.Minute+time.Second+2+Round {
			t.Errorf("the frame took %v, want 1m1s and 2ns, and the wait for its lane", d)
		}
		if _, err := w.Delay(Target{}, Latency{Min: -1}); err == nil {
			t.Error("Delay of a negative latency: no error")
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	f := w.LoseAnswer(Target{}, 0)
	cancel()
	if err := f.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want context.Canceled", err)
	}
	f.Undo()
	if err := f.Wait(context.Background(), 1); !errors.Is(err, ErrUndone) {
		t.Errorf("Wait after Undo = %v, want ErrUndone", err)
	}
}

func TestDirectIsOutsideTheSimulation(t *testing.T) {
	w := newWorld(t, Config{Latency: Latency{Min: time.Hour}, Observe: func(f Frame) { t.Errorf("observed %+v", f) }}, 1)
	w.BlackHole(Target{})
	w.RefuseDials(Target{})
	c, err := w.Direct(t.Context(), "tcp", w.listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	b, err := w.listeners[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	mustWrite(t, c, request(produceKey, 1, "x"))
	mustRead(t, b, request(produceKey, 1, "x"))
	if n := w.DropConns(Target{}); n != 0 {
		t.Errorf("DropConns = %d, want 0", n)
	}
}

func TestCorruptFlipsOneBit(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.Corrupt(Target{Keys: []int16{produceKey}}, 1)
	mustWrite(t, c, request(fetchKey, 1, "a"))
	mustRead(t, b, request(fetchKey, 1, "a"))
	wantHits(t, f, 0)
	mustWrite(t, c, request(produceKey, 2, "b"))
	mustRead(t, b, request(produceKey, 2, "c"))
	mustWrite(t, c, request(produceKey, 3, "b"))
	mustRead(t, b, request(produceKey, 3, "b"))
}

func TestAnswersAreEdited(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	var keys, versions []int16
	f := w.EditAnswers(Target{Keys: []int16{produceKey}}, func(key, version int16, frame []byte) []byte {
		keys, versions = append(keys, key), append(versions, version)
		return answer(int32(frame[7]), "longer than it was")
	}, 1)
	for corr, key := range []int16{fetchKey, produceKey, produceKey} {
		req := request(key, int32(corr), "")
		req[7] = 9 // the version
		mustWrite(t, c, req)
		mustRead(t, b, req)
		mustWrite(t, b, answer(int32(corr), "as it was"))
	}
	mustRead(t, c, answer(0, "as it was"))
	mustRead(t, c, answer(1, "longer than it was"))
	mustRead(t, c, answer(2, "as it was"))
	wantHits(t, f, 1)
	if len(keys) != 1 || keys[0] != produceKey || versions[0] != 9 {
		t.Errorf("keys %v and versions %v were told", keys, versions)
	}
}

func TestTargetsWithKeysSelectByRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Config{}, 1)
		fetcher, fetcherB := w.connect(t, "a", 0)
		producer, producerB := w.connect(t, "a", 0)
		fetches := Target{Keys: []int16{fetchKey}}
		f := w.Stall(fetches)
		mustWrite(t, producer, request(produceKey, 1, ""))
		mustRead(t, producerB, request(produceKey, 1, ""))
		mustWrite(t, fetcher, request(fetchKey, 1, ""))
		mustWrite(t, fetcher, request(produceKey, 2, "behind"))
		nothingToRead(t, fetcherB)
		wantHits(t, f, 1)
		f.Undo()
		mustRead(t, fetcherB, request(fetchKey, 1, ""))
		mustRead(t, fetcherB, request(produceKey, 2, "behind"))
		if n := w.DropConns(fetches); n != 1 {
			t.Errorf("DropConns of those that await a fetch = %d, want 1", n)
		}
		mustWrite(t, producerB, answer(1, "alive"))
		mustRead(t, producer, answer(1, "alive"))
	})
}

// What a client sends is counted by its name, over all of its connections, and whatever a fault
// does to it.
func TestSentCountsDialsAndFramesOfEachClient(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	wantSent := func(client string, n int) {
		t.Helper()
		if got := w.Sent(client); got != n {
			t.Errorf("Sent(%q) = %d, want %d", client, got, n)
		}
	}
	wantSent("a", 0)
	c, b := w.connect(t, "a", 0)
	wantSent("a", 1)
	mustWrite(t, c, request(fetchKey, 1, "arrives"))
	mustRead(t, b, request(fetchKey, 1, "arrives"))
	mustWrite(t, b, answer(1, "does not count"))
	other, _ := w.connect(t, "b", 0)
	mustWrite(t, other, request(fetchKey, 1, "of another client"))
	wantSent("a", 2)
	wantSent("b", 2)

	w.BlackHole(Target{Clients: []string{"a"}})
	mustWrite(t, c, request(fetchKey, 2, "is swallowed"))
	wantSent("a", 3)
	mustWrite(t, c, request(fetchKey, 3, "on a connection that is dead"))
	wantSent("a", 3)
	w.RefuseDials(Target{})
	if c, err := w.Dialer("a")(t.Context(), "tcp", w.listeners[0].Addr().String()); err == nil {
		t.Errorf("dial = %v, want it to be refused", c)
	}
	wantSent("a", 4)
	if c, err := w.Dialer("a")(t.Context(), "tcp", "127.0.0.1:1"); err == nil {
		t.Errorf("dial = %v, want it to be refused", c)
	}
	wantSent("a", 4)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	wantSent("a", 4)
}

func TestRequestIsAnsweredInPlaceOfTheBroker(t *testing.T) {
	for _, lat := range []Latency{{}, {Min: time.Millisecond}} {
		t.Run(fmt.Sprint(lat.Min), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Config{Latency: lat}, 1)
				c, b := w.connect(t, "a", 0)
				f := w.AnswerRequests(Target{Keys: []int16{produceKey}}, func(key, _ int16, frame []byte) []byte {
					if key != produceKey || !bytes.HasSuffix(frame, []byte("mine")) {
						return nil
					}
					return answer(int32(binary.BigEndian.Uint32(frame[8:])), "no")
				}, 1)
				mustWrite(t, c, request(produceKey, 6, "the broker's"))
				mustRead(t, b, request(produceKey, 6, "the broker's"))
				wantHits(t, f, 0)
				mustWrite(t, c, request(produceKey, 7, "mine"))
				mustRead(t, b, placeholder(7))
				wantHits(t, f, 1)
				mustWrite(t, b, answer(6, "yes"))
				mustRead(t, c, answer(6, "yes"))
				if n := f.Arrived(); n != 0 {
					t.Errorf("Arrived() = %d before the answer, want 0", n)
				}
				mustWrite(t, b, answer(7, "these are my versions"))
				mustRead(t, c, answer(7, "no"))
				if n := f.Arrived(); n != 1 {
					t.Errorf("Arrived() = %d after the answer, want 1", n)
				}
				mustWrite(t, c, request(produceKey, 8, "mine"))
				mustRead(t, b, request(produceKey, 8, "mine"))
			})
		})
	}
}

func TestAnswerThatIsLostHasNotArrived(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.AnswerRequests(Target{Keys: []int16{produceKey}}, func(_, _ int16, frame []byte) []byte {
		return answer(int32(binary.BigEndian.Uint32(frame[8:])), "no")
	}, 0)
	w.LoseAnswer(Target{}, 1)
	mustWrite(t, c, request(produceKey, 7, ""))
	mustRead(t, b, placeholder(7))
	mustWrite(t, b, answer(7, ""))
	if err := readErr(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client reads %v, want ECONNRESET", err)
	}
	if f.Hits() != 1 || f.Arrived() != 0 {
		t.Errorf("%d hits, %d arrived, want 1 and 0", f.Hits(), f.Arrived())
	}
}

func TestAnswerThatAnEditLeavesAsItIsIsNoHit(t *testing.T) {
	w := newWorld(t, Config{}, 1)
	c, b := w.connect(t, "a", 0)
	f := w.EditAnswers(Target{}, func(_, _ int16, frame []byte) []byte {
		if bytes.HasSuffix(frame, []byte("leave")) {
			return nil
		}
		return answer(int32(binary.BigEndian.Uint32(frame[4:])), "edited")
	}, 1)
	for corr, text := range []string{"leave", "change", "change"} {
		mustWrite(t, c, request(produceKey, int32(corr), ""))
		mustRead(t, b, request(produceKey, int32(corr), ""))
		mustWrite(t, b, answer(int32(corr), text))
	}
	mustRead(t, c, answer(0, "leave"))
	mustRead(t, c, answer(1, "edited"))
	mustRead(t, c, answer(2, "change"))
	if f.Hits() != 1 || f.Arrived() != 1 {
		t.Errorf("%d hits, %d arrived, want 1 of each", f.Hits(), f.Arrived())
	}
}
