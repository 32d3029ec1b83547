package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
)

// policy returns the page's Content-Security-Policy. It forbids loading anything, and allows only the
// scripts and style sheets that this program put into the page. The frames of the pictures inherit
// it.
func policy(style, script []byte, pictures []picture) string {
	scripts := []string{hash(script)}
	// Porcupine's script sets empty style attributes, which have to be named.
	styles := []string{hash(style), "'unsafe-hashes'", hash(nil)}
	for _, p := range pictures {
		for _, body := range between(p.HTML, "<script>", "</script>") {
			scripts = append(scripts, hash(body))
		}
		for _, body := range between(p.HTML, "<style>", "</style>") {
			if h := hash(body); !slices.Contains(styles, h) {
				styles = append(styles, h)
			}
		}
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + strings.Join(scripts, " "),
		"style-src " + strings.Join(styles, " "),
		"base-uri 'none'",
		"form-action 'none'",
	}, "; ")
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// between returns what is between each pair of tags.
func between(page, open, end string) [][]byte {
	var bodies [][]byte
	rest := []byte(page)
	for {
		_, after, found := bytes.Cut(rest, []byte(open))
		if !found {
			return bodies
		}
		body, after, found := bytes.Cut(after, []byte(end))
		if !found {
			return bodies
		}
		bodies = append(bodies, body)
		rest = after
	}
}
