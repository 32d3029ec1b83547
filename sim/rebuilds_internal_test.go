package sim

import (
	"testing"
	"testing/synctest"
	"time"
)

// A fault that makes calls slow may be over long before the last call that it made slow.
func TestClientIsHeldUpAsLongAsTheLastCallThatWasMadeSlow(t *testing.T) {
	const recovery = 2 * time.Second
	for _, tc := range []struct {
		name  string
		fault Fault
		most  time.Duration // from the fault's end on, with recovery
	}{
		{"slow storage", SlowStorage{Client: "c1", Delay: 8 * time.Second}, 10 * time.Second},
		{"slow hooks", SlowHooks{Client: "c1", Delay: 8 * time.Second}, 10 * time.Second},
		{"slow broker", SlowBroker{Broker: "leader", API: "fetch", Delay: 8 * time.Second}, 10 * time.Second},
		{"failing storage", FailStorage{Client: "c1"}, recovery},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var h holds
				anything := func(hold) bool { return true }
				began := time.Now()
				end := h.begin(tc.fault)
				time.Sleep(time.Second)
				end()
				healed := time.Now()
				for after, want := range map[time.Duration]bool{0: true, tc.most - 1: true, tc.most: false} {
					since, held := h.since("c1", healed.Add(after), recovery, anything)
					if held != want || held && !since.Equal(began) {
						t.Errorf("held up %v after the end of the fault: %v, since %v; want %v, since %v", after, held, since, want, began)
					}
				}
			})
		})
	}
}
