package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/golang/groupcache/consistenthash"
	"github.com/golang/groupcache/groupcachepb"
	"github.com/golang/protobuf/proto"
)

const geecachePath = "/_geecache/"

// geecachePeer speaks what GeeCache speaks: a GET of the group and the key, both escaped as in a form, under a path of its own.
// It has no flights, as GeeCache had none before its sixth day.
type geecachePeer struct {
	self   string
	body   body
	mutex  sync.Mutex
	ring   *consistenthash.Map
	values map[string][]byte
}

// A body is how a value travels.
type body interface {
	write(value []byte) ([]byte, error)
	read(body []byte) ([]byte, error)
}

func newGeecachePeer(self string, body body) peer {
	return &geecachePeer{self: self, body: body, values: make(map[string][]byte)}
}

func (p *geecachePeer) join(peers []string) {
	ring := consistenthash.New(50, nil)
	ring.Add(peers...)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.ring = ring
}

func (p *geecachePeer) owner(key string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.ring.Get(key)
}

func (p *geecachePeer) get(key string) ([]byte, error) {
	if key == "" {
		return nil, errors.New("key is required")
	}
	p.mutex.Lock()
	value, ok := p.values[key]
	p.mutex.Unlock()
	if ok {
		return value, nil
	}
	if owner := p.owner(key); owner != p.self {
		if value, err := p.ask(owner, key); err == nil {
			return value, nil
		}
	}
	value, err := load(key)
	if err == nil {
		p.mutex.Lock()
		p.values[key] = value
		p.mutex.Unlock()
	}
	return value, err
}

func (p *geecachePeer) ask(owner, key string) ([]byte, error) {
	path := url.QueryEscape(groupName) + "/" + url.QueryEscape(key)
	answer, err := http.Get(owner + geecachePath + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the owner answers %s", answer.Status)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	return p.body.read(body)
}

// ServeHTTP looks at the decoded path, and not at the method.
func (p *geecachePeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, geecachePath) {
		panic("a path that is not for peers: " + r.URL.Path)
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, geecachePath), "/", 2)
	if len(parts) < 2 {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if parts[0] != groupName {
		http.Error(w, "no such group: "+parts[0], http.StatusNotFound)
		return
	}
	value, err := p.get(parts[1])
	if err == nil {
		value, err = p.body.write(value)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Write(value)
}

// rawBody is the value itself: GeeCache up to its sixth day.
type rawBody struct{}

func (rawBody) write(value []byte) ([]byte, error) { return value, nil }
func (rawBody) read(body []byte) ([]byte, error)   { return body, nil }

// protobufBody is a message with the value as its first field: GeeCache from its seventh day on.
type protobufBody struct{}

func (protobufBody) write(value []byte) ([]byte, error) {
	// Its messages are of proto3, where an empty value is no field at all.
	if len(value) == 0 {
		return nil, nil
	}
	return proto.Marshal(&groupcachepb.GetResponse{Value: value})
}

func (protobufBody) read(body []byte) ([]byte, error) {
	var response groupcachepb.GetResponse
	err := proto.Unmarshal(body, &response)
	return response.Value, err
}
