package fakecluster

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fetch session keeps offsets inside kfake, where they can't be seen, and a
// fetch that is answered beside kfake (see kfake_compact.go) would not be in it.
// So every fetch is made one without a session, as a broker whose session slots
// are used up does.

func (c *Cluster) handleFetch(k *kfake.Cluster, r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := r.(*kmsg.FetchRequest)
	req.SessionID, req.SessionEpoch = 0, -1
	resp, ok := c.serve(k, req)
	return resp, nil, ok
}
