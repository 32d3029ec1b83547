package fakecluster

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake closes the connection if a password is wrong, and has no way to change a password of
// SASL PLAIN. Kafka answers SASL_AUTHENTICATION_FAILED, which a client can tell from a broken
// connection. So passwords are checked here, and a right one is replaced by the one that kfake
// knows.

func (c *Cluster) checkPassword(_ *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.SASLAuthenticateRequest)
	parts := bytes.SplitN(req.SASLAuthBytes, []byte{0}, 3)
	if len(parts) != 3 || len(c.opts.Users) == 0 || harnessLogin(kr) {
		return nil, nil, false
	}
	user := string(parts[1])
	c.stateMu.Lock()
	password, known := c.passwords[user]
	c.stateMu.Unlock()
	if !known || string(parts[2]) != password {
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = new("Authentication failed: Invalid username or password")
		return resp, nil, true
	}
	req.SASLAuthBytes = []byte("\x00" + user + "\x00" + c.opts.Users[user])
	return nil, nil, false
}

// harnessLogin reports whether a request is the harness's own login.
func harnessLogin(kr kmsg.Request) bool {
	req, ok := kr.(*kmsg.SASLAuthenticateRequest)
	return ok && bytes.HasPrefix(req.SASLAuthBytes, []byte("\x00"+harnessUser+"\x00"))
}
