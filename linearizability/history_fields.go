package linearizability

import (
	"errors"
	"fmt"
	"net/url"
)

func (d *decoder) needProcess() error {
	if d.in.Client == "" {
		return errors.New(`"client" is missing`)
	}
	return nil
}

func (d *decoder) items() []Item {
	if len(d.in.Items) == 0 {
		return nil
	}
	items := make([]Item, len(d.in.Items))
	for i, it := range d.in.Items {
		items[i] = Item{Key: d.name(it.Key), Value: d.text(it.Value), Revision: d.known(it.Rev)}
	}
	return items
}

func (d *decoder) known(v *int64) int64 {
	if v == nil {
		return None
	}
	if *v < 0 && d.err == nil {
		d.err = fmt.Errorf("%d is no offset: leave out what is not known", *v)
	}
	return *v
}

func (d *decoder) key() string {
	if d.in.Key == nil {
		return ""
	}
	return d.name(*d.in.Key)
}

// text decodes a value id.
func (d *decoder) text(s string) string {
	t, err := unescape(s)
	if err != nil && d.err == nil {
		d.err = err
	}
	return t
}

// name decodes a name that is likely to occur again. All uses share one copy.
func (d *decoder) name(s string) string {
	if s == "" {
		return ""
	}
	if t, ok := d.names[s]; ok {
		return t
	}
	t := d.text(s)
	d.names[s] = t
	return t
}

// unescape undoes appendText.
func unescape(s string) (string, error) {
	t, err := url.PathUnescape(s)
	if err != nil {
		return "", fmt.Errorf("%.100q: %% must be followed by two hexadecimal digits (write %%25 for a %%)", s)
	}
	return t, nil
}

// validInvoke returns an error if the operation lacks something.
func validInvoke(o *Operation, hasKey bool) error {
	switch o.Kind {
	case OpPut:
		if o.Value == "" {
			return errors.New(`put without a "value": each put needs a value id`)
		}
		fallthrough
	case OpGet, OpDelete:
		if !hasKey {
			return fmt.Errorf(`%s without a "key"`, o.Kind)
		}
	case OpBatch:
		if len(o.Items) == 0 {
			return errors.New(`batch without "items"`)
		}
	case OpTxn:
		if len(o.Items) == 0 && (o.Details == nil || len(o.Details.If) == 0) {
			return errors.New(`txn without "items" and without "if"`)
		}
	case OpGrant, OpRenew, OpRevoke:
		if o.Details == nil || o.Details.Lease == "" {
			return fmt.Errorf(`%s without a "lease"`, o.Kind)
		}
	case OpWait:
		if o.Revision == None {
			return errors.New(`wait without a "rev"`)
		}
	case OpRange, OpSync, OpOpen, OpClose, OpWatch:
	}
	return nil
}
