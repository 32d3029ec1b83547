package sim

import (
	"slices"
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

// holdClients are the kinds of faults that may keep clients from the log, or delay what they ask for.
var holdClients = []string{
	Lag{}.Kind(), Pause{}.Kind(), Crash{}.Kind(), SlowStorage{}.Kind(), FailStorage{}.Kind(), SlowHooks{}.Kind(),
	Latency{}.Kind(), Stall{}.Kind(), BlackHole{}.Kind(), Silence{}.Kind(), LoseRequest{}.Kind(), LoseAnswer{}.Kind(),
	CutFrame{}.Kind(), Reset{}.Kind(), Restart{}.Kind(), RestartAll{}.Kind(), Rolling{}.Kind(), MoveLeader{}.Kind(),
	FailProduce{}.Kind(), SlowBroker{}.Kind(), BelowMinimum{}.Kind(), StaleMetadata{}.Kind(), Throttle{}.Kind(),
	AnswerAtOnce{}.Kind(), OlderEnds{}.Kind(), HostileBatch{}.Kind(), WithholdRecords{}.Kind(), FailFetch{}.Kind(), Answer{}.Kind(),
	Revoke{}.Kind(), ChangePassword{}.Kind(), UncompactedLeader{}.Kind(), LoseTail{}.Kind(), Recreate{}.Kind(),
	Transaction{}.Kind(), AbandonTransaction{}.Kind(), LoadCoordinators{}.Kind(), SlowMarkers{}.Kind(), MoveCoordinator{}.Kind(),
}

// While a fault lasts that is not in holdNobody, judges excuse clients. So each kind is in one of
// the two lists: a new one is not excused by being forgotten.
func TestEachKindOfFaultHoldsClientsOrNobody(t *testing.T) {
	left := map[string]int{}
	for _, kind := range slices.Concat(holdClients, holdNobody) {
		left[kind]++
	}
	for _, k := range FaultKinds() {
		if left[k.Name] != 1 {
			t.Errorf("fault %s is %d times in holdClients and holdNobody, want once", k.Name, left[k.Name])
		}
		delete(left, k.Name)
	}
	for kind := range left {
		t.Errorf("there is no fault %s", kind)
	}
}
