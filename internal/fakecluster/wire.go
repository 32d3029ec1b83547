package fakecluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// wireTimeout bounds a request of the harness itself, so that it can never hang. It is long
// because a slow request is no error.
const wireTimeout = 30 * time.Second

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("fakecluster"))

// request sends one request to a broker on a connection of its own, outside the simulated network,
// and returns the answer.
func (c *Cluster) request(broker int32, req kmsg.Request) (kmsg.Response, error) {
	if broker < 0 || int(broker) >= len(c.ports) {
		return nil, fmt.Errorf("no broker %d", broker)
	}
	ctx, cancel := context.WithTimeout(context.Background(), wireTimeout)
	defer cancel()
	conn, err := c.Direct(ctx, broker)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return exchange(conn, req)
}

// Direct connects the harness to a broker, outside the simulated network, as a user who may do
// everything.
func (c *Cluster) Direct(ctx context.Context, broker int32) (net.Conn, error) {
	dial := (&net.Dialer{}).DialContext
	if c.dialDirect != nil {
		dial = c.dialDirect
	}
	conn, err := dial(ctx, "tcp", c.Seeds()[broker])
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := c.authenticate(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// exchange writes one request and reads its answer.
func exchange(conn net.Conn, req kmsg.Request) (kmsg.Response, error) {
	const corr = 1
	if _, err := conn.Write(formatter.AppendRequest(nil, req, corr)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	skip := 4
	resp := req.ResponseKind()
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		skip++ // an empty tag section
	}
	if len(body) < skip || binary.BigEndian.Uint32(body) != corr {
		return nil, fmt.Errorf("answer of %d bytes to request key %d is malformed", len(body), req.Key())
	}
	if err := resp.ReadFrom(body[skip:]); err != nil {
		return nil, fmt.Errorf("answer to request key %d: %w", req.Key(), err)
	}
	return resp, nil
}
