package sim

import (
	"fmt"
	"reflect"
	"strconv"
	"time"
)

// Abilities say what can be done to the brokers on which a plan is to run.
type Abilities struct {
	// Brokers is how many there are.
	Brokers int
	// Restart says that they can be stopped and started.
	Restart bool
	// Without has the kinds of faults that can't be done, with the reason.
	Without map[string]string
	// SlowDown says that brokers need seconds for what takes no simulated
	// time: to stop, to start, to compact.
	SlowDown bool
}

// Settings of a plan on slow brokers.
const (
	slowTimeout  = 20 * time.Second // for an operation: longer than a restart
	slowRequest  = 5 * time.Second
	slowConverge = 3 * time.Minute
)

// Fit returns the plan without what brokers with these abilities can't do, and one line for
// each thing that was left out or changed. It shares nothing with the plan.
func (p Plan) Fit(a Abilities) (Plan, []string) {
	var notes []string
	said := map[string]bool{}
	note := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !said[s] {
			said[s] = true
			notes = append(notes, s)
		}
	}
	p.World.Brokers = a.Brokers
	if d := p.Phases.DeadBroker; d != "" && (!a.Restart || a.Brokers < 3) {
		p.Phases.DeadBroker = ""
		note("dead.broker: a broker can die for good where there are three that can be stopped")
	} else if d != "" {
		p.Phases.DeadBroker = brokerOf(d, a.Brokers)
	}
	if a.SlowDown {
		if p.World.Tombstones > 0 {
			p.World.Tombstones = 0
			note("tombstones: they are kept, because a real cleaner removes them at a time of its own")
		}
		p.World.RequestTimeout = max(p.World.RequestTimeout, slowRequest)
		p.Workload.Timeout = max(p.Workload.Timeout, slowTimeout)
		p.Phases.Converge = max(p.Phases.Converge, slowConverge)
	}
	faults := p.Faults
	p.Faults = nil
	for _, f := range faults {
		switch reason, out := a.Without[f.Kind()]; {
		case out:
			note("%s: %s", f.Kind(), reason)
		case a.Brokers < 2 && f.Kind() == (MoveLeader{}).Kind():
			note("%s: it needs two brokers", f.Kind())
		default:
			p.Faults = append(p.Faults, fitFault(f, a))
		}
	}
	return p, notes
}

// fitFault makes a fault name existing brokers.
func fitFault(f Fault, a Abilities) Fault {
	if r, ok := f.(Restart); ok && a.Brokers < 2 {
		r.Move = false
		f = r
	}
	v := reflect.New(reflect.TypeOf(f)).Elem()
	v.Set(reflect.ValueOf(f))
	for name, field := range fields(v) {
		if name == "broker" {
			field.SetString(brokerOf(field.String(), a.Brokers))
		}
	}
	return v.Interface().(Fault)
}

// brokerOf returns an existing broker in place of one that a plan names.
func brokerOf(s string, brokers int) string {
	n, err := strconv.Atoi(s)
	if err != nil {
		return s // the leader, or all
	}
	return strconv.Itoa(n % brokers)
}
