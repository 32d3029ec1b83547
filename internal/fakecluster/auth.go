package fakecluster

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The user and password of the harness itself, for clusters whose clients have to
// authenticate.
const (
	harnessUser     = "fakecluster"
	harnessPassword = "fakecluster"
	saslPlain       = "PLAIN"
)

func (c *Cluster) authOptions() []kfake.Opt {
	if len(c.opts.Users) == 0 {
		return nil
	}
	opts := []kfake.Opt{
		kfake.EnableSASL(),
		kfake.EnableACLs(),
		kfake.Superuser(saslPlain, harnessUser, harnessPassword),
	}
	for name, password := range c.opts.Users {
		opts = append(opts, kfake.User(saslPlain, name, password))
	}
	return opts
}

// authenticate logs the harness in on a connection, if the cluster has users.
func (c *Cluster) authenticate(conn net.Conn) error {
	if len(c.opts.Users) == 0 {
		return nil
	}
	hs := kmsg.NewPtrSASLHandshakeRequest()
	hs.Version = 1
	hs.Mechanism = saslPlain
	resp, err := exchange(conn, hs)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.(*kmsg.SASLHandshakeResponse).ErrorCode); err != nil {
		return err
	}
	auth := kmsg.NewPtrSASLAuthenticateRequest()
	auth.Version = 2
	auth.SASLAuthBytes = []byte("\x00" + harnessUser + "\x00" + harnessPassword)
	resp, err = exchange(conn, auth)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.SASLAuthenticateResponse).ErrorCode)
}

// SetPassword changes the password of a user. As in Kafka, connections that are already
// authenticated stay authenticated.
func (c *Cluster) SetPassword(user, password string) error {
	if err := c.do(func(*kfake.Cluster) error { return nil }); err != nil {
		return err
	}
	if _, ok := c.opts.Users[user]; !ok {
		return fmt.Errorf("fakecluster: set password of user %q: no such user: name it in Options.Users", user)
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	c.passwords[user] = password
	return nil
}

// Allow gives a user rights on a topic, or on all topics for "*".
func (c *Cluster) Allow(user, topic string, ops ...kmsg.ACLOperation) error {
	return c.changeRights("allow", user, topic, ops, func(op kmsg.ACLOperation) error {
		cr := kmsg.NewCreateACLsRequestCreation()
		cr.ResourceType = kmsg.ACLResourceTypeTopic
		cr.ResourceName = topic
		cr.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
		cr.Principal = "User:" + user
		cr.Host = "*"
		cr.Operation = op
		cr.PermissionType = kmsg.ACLPermissionTypeAllow
		if err := c.createACL(cr); err != nil {
			return err
		}
		c.stateMu.Lock()
		c.acls = append(c.acls, cr)
		c.stateMu.Unlock()
		return nil
	})
}

func (c *Cluster) createACL(cr kmsg.CreateACLsRequestCreation) error {
	req := kmsg.NewPtrCreateACLsRequest()
	req.Version = 2
	req.Creations = append(req.Creations, cr)
	resp, err := c.request(0, req)
	if err != nil {
		return err
	}
	for _, r := range resp.(*kmsg.CreateACLsResponse).Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// Revoke takes away rights that [Cluster.Allow] gave.
func (c *Cluster) Revoke(user, topic string, ops ...kmsg.ACLOperation) error {
	return c.changeRights("revoke", user, topic, ops, func(op kmsg.ACLOperation) error {
		req := kmsg.NewPtrDeleteACLsRequest()
		req.Version = 2
		f := kmsg.NewDeleteACLsRequestFilter()
		principal, host := "User:"+user, "*"
		f.ResourceType = kmsg.ACLResourceTypeTopic
		f.ResourceName = &topic
		f.ResourcePatternType = kmsg.ACLResourcePatternTypeLiteral
		f.Principal, f.Host = &principal, &host
		f.Operation = op
		f.PermissionType = kmsg.ACLPermissionTypeAllow
		req.Filters = append(req.Filters, f)
		resp, err := c.request(0, req)
		if err != nil {
			return err
		}
		for _, r := range resp.(*kmsg.DeleteACLsResponse).Results {
			if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
				return err
			}
			if len(r.MatchingACLs) == 0 {
				return fmt.Errorf("the user does not have the right to %v", op)
			}
		}
		c.stateMu.Lock()
		c.acls = slices.DeleteFunc(c.acls, func(a kmsg.CreateACLsRequestCreation) bool {
			return a.Principal == principal && a.ResourceName == topic && a.Operation == op
		})
		c.stateMu.Unlock()
		return nil
	})
}

func (c *Cluster) changeRights(what, user, topic string, ops []kmsg.ACLOperation, change func(kmsg.ACLOperation) error) error {
	if err := c.do(func(*kfake.Cluster) error { return nil }); err != nil {
		return err
	}
	err := errors.New("no such user: name it in Options.Users")
	if _, ok := c.opts.Users[user]; ok {
		err = nil
	}
	for _, op := range ops {
		if err == nil {
			err = change(op)
		}
	}
	if err != nil {
		return fmt.Errorf("fakecluster: %s user %q on topic %q: %w", what, user, topic, err)
	}
	return nil
}

// everyoneMay reports whether every user has one of these rights on a topic. If so, a
// request that needs it can be answered here, without kfake. Only kfake knows who sent a
// request that is not a fetch (see kfake_asker.go).
func (c *Cluster) everyoneMay(topic string, ops ...kmsg.ACLOperation) bool {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for user := range c.opts.Users {
		if !c.mayLocked(user, topic, ops...) {
			return false
		}
	}
	return true
}

// mayLocked reports whether a user has one of these rights on a topic. The caller holds stateMu.
func (c *Cluster) mayLocked(user, topic string, ops ...kmsg.ACLOperation) bool {
	return slices.ContainsFunc(c.acls, func(a kmsg.CreateACLsRequestCreation) bool {
		return a.Principal == "User:"+user && (a.ResourceName == topic || a.ResourceName == "*") &&
			(a.Operation == kmsg.ACLOperationAll || slices.Contains(ops, a.Operation))
	})
}
