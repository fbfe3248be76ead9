//go:build !forks

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang/groupcache/consistenthash"
)

const (
	galaxyPath     = "/_galaxycache/"
	galaxyPeekPath = "/_galaxycache_peek/"
	galaxyStatus   = "X-Galaxycache-Galaxy-Status"
	nanoTime       = "Mon, 02 Jan 2006 15:04:05.000000000 GMT"
)

func init() {
	peersByProtocol["galaxycache"] = func(self string) peer {
		return &galaxyPeer{self: self, values: make(map[string]galaxyValue)}
	}
}

// galaxyPeer takes part in a cluster of galaxycache.
type galaxyPeer struct {
	self     string
	mutex    sync.Mutex
	ring     *consistenthash.Map
	previous *consistenthash.Map
	values   map[string]galaxyValue
}

type galaxyValue struct {
	value []byte
	end   time.Time
}

func (p *galaxyPeer) join(peers []string) {
	ring, previous := consistenthash.New(50, nil), consistenthash.New(50, nil)
	ring.Add(peers...)
	for _, peer := range peers {
		if peer != p.self {
			previous.Add(peer)
		}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.ring, p.previous = ring, previous
}

func (p *galaxyPeer) owner(key string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.ring.Get(key)
}

func (p *galaxyPeer) get(key string) ([]byte, error) {
	if value, ok := p.inMemory(key); ok {
		return value.value, nil
	}
	if owner := p.owner(key); owner != p.self {
		value, err := p.ask(owner+galaxyPath, key)
		if err == nil || err == errAbsent {
			return value.value, err
		}
	}
	value, err := p.load(key)
	return value.value, err
}

func (p *galaxyPeer) inMemory(key string) (galaxyValue, bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	value, ok := p.values[key]
	return value, ok && (value.end.IsZero() || time.Now().Before(value.end))
}

// load asks who owned the key before this peer came, and then the source.
func (p *galaxyPeer) load(key string) (galaxyValue, error) {
	value, err := galaxyValue{}, errAbsent
	if p.owner(key) == p.self {
		if previous := p.previous.Get(key); previous != "" {
			value, err = p.ask(previous+galaxyPeekPath, key)
		}
	}
	if err != nil {
		var bytes []byte
		var end time.Time
		if bytes, end, err = loadForFork(key); err != nil {
			return value, err
		}
		value = galaxyValue{bytes, end}
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.values[key] = value
	return value, nil
}

func (p *galaxyPeer) ask(base, key string) (galaxyValue, error) {
	var value galaxyValue
	answer, err := http.Get(base + url.PathEscape(groupName) + "/" + url.PathEscape(key))
	if err != nil {
		return value, err
	}
	defer answer.Body.Close()
	value.value, err = io.ReadAll(answer.Body)
	switch {
	case err != nil:
	case answer.StatusCode == http.StatusNotFound && answer.Header.Get(galaxyStatus) == "Found":
		err = errAbsent
	case answer.StatusCode != http.StatusOK:
		err = fmt.Errorf("%s answers %s", base, answer.Status)
	default:
		if expires := answer.Header.Get("Expires"); expires != "" {
			value.end, err = http.ParseTime(expires)
		}
	}
	return value, err
}

// ServeHTTP cuts the path before it decodes it, and does not look at the method.
func (p *galaxyPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	isPeek := strings.HasPrefix(path, galaxyPeekPath)
	path = strings.TrimPrefix(strings.TrimPrefix(path, galaxyPeekPath), galaxyPath)
	parts := strings.SplitN(path, "/", 2)
	if len(parts) < 2 {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	group, groupErr := url.PathUnescape(parts[0])
	key, keyErr := url.PathUnescape(parts[1])
	if groupErr != nil || keyErr != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if group != groupName {
		w.Header().Set(galaxyStatus, "Not Found")
		http.Error(w, "no such galaxy: "+group, http.StatusNotFound)
		return
	}
	w.Header().Set(galaxyStatus, "Found")
	value, ok := p.inMemory(key)
	err := errAbsent
	if ok {
		err = nil
	} else if !isPeek {
		value, err = p.load(key)
	}
	switch {
	case errors.Is(err, errAbsent):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !value.end.IsZero() {
		w.Header().Set("Expires", value.end.UTC().Format(nanoTime))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(value.value)
}
