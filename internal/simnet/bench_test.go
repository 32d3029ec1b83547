package simnet_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/simnet"
)

// BenchmarkPut measures a put of one client to one broker over this network and,
// in the same run, over kfake's own network, which has no latency and no faults.
func BenchmarkPut(b *testing.B) {
	type network struct {
		listen func(network, address string) (net.Listener, error)
		dial   func(ctx context.Context, network, address string) (net.Conn, error)
	}
	sim := func(cfg simnet.Config, with func(*simnet.Network)) func() network {
		return func() network {
			n, err := simnet.New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { n.Close() })
			if with != nil {
				with(n)
			}
			return network{n.Listen, n.Dialer("bench")}
		}
	}
	for _, bc := range []struct {
		name string
		make func() network
	}{
		{"kfake", func() network { v := new(kfake.VirtualNetwork); return network{v.Listen, v.DialContext} }},
		{"simnet", sim(simnet.Config{}, nil)},
		{"simnet/fault", sim(simnet.Config{}, func(n *simnet.Network) { n.BlackHole(simnet.Target{Clients: []string{"other"}}) })},
		{"simnet/latency=1us", sim(simnet.Config{Latency: simnet.Latency{Min: time.Microsecond}}, nil)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			nw := bc.make()
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(nw.listen), kfake.SeedTopics(1, "t"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(nw.dial), kgo.DefaultProduceTopic("t"))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(cl.Close)
			b.ReportAllocs()
			for b.Loop() {
				if err := cl.ProduceSync(b.Context(), &kgo.Record{Value: []byte("v")}).FirstErr(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFrame measures one frame from end to end, against net.Pipe.
func BenchmarkFrame(b *testing.B) {
	frame := make([]byte, 200)
	frame[3] = 196
	run := func(b *testing.B, w, r net.Conn) {
		b.SetBytes(int64(len(frame)))
		b.ReportAllocs()
		go func() {
			for {
				if _, err := w.Write(frame); err != nil {
					return
				}
				if _, err := w.Read(make([]byte, 1)); err != nil {
					return
				}
			}
		}()
		buf := make([]byte, len(frame))
		ack := []byte{0, 0, 0, 0}
		for b.Loop() {
			for n := 0; n < len(frame); {
				m, err := r.Read(buf[n:])
				if err != nil {
					b.Fatal(err)
				}
				n += m
			}
			if _, err := r.Write(ack[:1]); err != nil {
				b.Fatal(err)
			}
		}
		w.Close()
		r.Close()
	}
	b.Run("net.Pipe", func(b *testing.B) {
		w, r := net.Pipe()
		run(b, w, r)
	})
	b.Run("simnet", func(b *testing.B) {
		n, err := simnet.New(simnet.Config{Raw: true})
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		l, err := n.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		w, err := n.Dialer("a")(b.Context(), "tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		r, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		run(b, w, r)
	})
}
