package report

import (
	"bytes"
	"fmt"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// mostPictures is the maximum number of pictures of porcupine. Each is a page of its own.
const mostPictures = 6

// A picture is porcupine's picture of one key: a page that the report shows in a frame. The frame
// may run only the picture's own script.
type picture struct {
	Key  string `json:"key"`
	HTML string `json:"html"`
}

// A pictureView offers a picture, or says why there is none.
type pictureView struct {
	Key, Problem string
	// Index is the picture's place in the model, -1 if there is none.
	Index int
}

// pictures draws the keys that violations and disagreements are about, and
// those that were asked for.
func (r *Report) pictures() ([]picture, []pictureView) {
	var keys []string
	want := func(key string) {
		if key != "" && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	for _, key := range r.Keys {
		want(key)
	}
	for _, d := range r.Verdict.Disagreements {
		want(d.Key)
	}
	for _, v := range r.Verdict.Violations {
		want(v.Key)
	}
	pictures := []picture{}
	var views []pictureView
	for _, key := range keys[:min(len(keys), mostPictures)] {
		name := printable(key)
		page, err := draw(r.History, key)
		if err != nil {
			views = append(views, pictureView{name, clean(err.Error()), -1})
			continue
		}
		views = append(views, pictureView{name, "", len(pictures)})
		pictures = append(pictures, picture{name, string(page)})
	}
	return pictures, views
}

// draw lets porcupine draw a key. If porcupine panics, the report has no picture and says why, which
// is better than no report.
func draw(h *lin.History, key string) (page []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("visualize key %s: porcupine gave up: %v", quote(key), p)
		}
	}()
	var b bytes.Buffer
	if err := lin.VisualizeKey(&b, h, key, lin.Options{}); err != nil {
		return nil, err
	}
	return drawInSight(b.Bytes()), nil
}

// drawInSight makes a picture wait until it is in view. Browsers do not lay out frames that are out
// of view, and the picture measures its texts only once, when it is drawn.
func drawInSight(page []byte) []byte {
	const drawing = "render(data)"
	const waiting = `new IntersectionObserver((seen, watch) => {
        if (!seen.some((s) => s.isIntersecting)) return
        watch.disconnect()
        ` + drawing + `
      }).observe(document.documentElement)`
	i := bytes.LastIndex(page, []byte(drawing))
	if i < 0 {
		return page
	}
	return slices.Concat(page[:i], []byte(waiting), page[i+len(drawing):])
}
