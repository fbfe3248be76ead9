//go:build !forks

package main

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
)

const forkPath = "/_groupcache/"

func init() {
	peersByProtocol["mailgun"] = func(self string) peer {
		return newForkPeer(self, fork{name: func(url string) string { return url }})
	}
	peersByProtocol["groupcache-go"] = func(self string) peer {
		name := func(url string) string { return strings.TrimPrefix(url, "http://") }
		return keysRemoverPeer{newForkPeer(self, fork{name: name, setsAll: true, removesMany: true})}
	}
}

// A fork is what mailgun/groupcache and groupcache-go do in different ways.
type fork struct {
	// What a peer is called on the ring.
	name func(url string) string
	// Whether a value is set at all peers, or at its owner alone.
	setsAll bool
	// Whether many keys are removed with one request.
	removesMany bool
}

// forkPeer takes part in a cluster of such a fork.
type forkPeer struct {
	self   string
	fork   fork
	mutex  sync.Mutex
	peers  []string
	ring   []forkPoint
	values map[string]forkValue
}

type forkPoint struct {
	hash uint64
	peer string
}

type forkValue struct {
	value []byte
	end   time.Time
}

func newForkPeer(self string, fork fork) *forkPeer {
	return &forkPeer{self: self, fork: fork, values: make(map[string]forkValue)}
}

func hashOf(text string) uint64 {
	hash := fnv.New64()
	io.WriteString(hash, text)
	return hash.Sum64()
}

func (p *forkPeer) join(peers []string) {
	var ring []forkPoint
	for _, peer := range peers {
		for i := 0; i < 50; i++ {
			sum := md5.Sum([]byte(strconv.Itoa(i) + p.fork.name(peer)))
			ring = append(ring, forkPoint{hashOf(fmt.Sprintf("%x", sum)), peer})
		}
	}
	sort.Slice(ring, func(i, j int) bool { return ring[i].hash < ring[j].hash })
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.peers, p.ring = peers, ring
}

func (p *forkPeer) owner(key string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	hash := hashOf(key)
	at := sort.Search(len(p.ring), func(i int) bool { return p.ring[i].hash >= hash })
	return p.ring[at%len(p.ring)].peer
}

// others are all peers but this one and the one that is told already.
func (p *forkPeer) others(told string) []string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var others []string
	for _, peer := range p.peers {
		if peer != p.self && peer != told {
			others = append(others, peer)
		}
	}
	return others
}

func (p *forkPeer) keep(key string, value forkValue) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.values[key] = value
}

func (p *forkPeer) forget(key string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.values, key)
}

func (p *forkPeer) get(key string) ([]byte, error) {
	value, err := p.load(key)
	return value.value, err
}

func (p *forkPeer) load(key string) (forkValue, error) {
	p.mutex.Lock()
	value, ok := p.values[key]
	p.mutex.Unlock()
	if ok && (value.end.IsZero() || time.Now().Before(value.end)) {
		return value, nil
	}
	if owner := p.owner(key); owner != p.self {
		value, err := p.ask(owner, key)
		var final finalError
		if err == nil || errors.As(err, &final) {
			if err == nil {
				p.keep(key, value)
			}
			return value, err
		}
	}
	bytes, end, err := loadForFork(key)
	value = forkValue{bytes, end}
	if err == nil {
		p.keep(key, value)
	}
	return value, err
}

// A finalError of the owner is not followed by a load.
type finalError struct{ text string }

func (e finalError) Error() string { return e.text }

func (p *forkPeer) ask(owner, key string) (forkValue, error) {
	var value forkValue
	answer, body, err := p.send("GET", owner, key, nil)
	if err != nil {
		return value, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusServiceUnavailable:
		return value, finalError{strings.Trim(string(body), "\n")}
	default:
		return value, fmt.Errorf("the owner answers %s", answer.Status)
	}
	var response forkGetResponse
	if err := proto.Unmarshal(body, &response); err != nil {
		return value, err
	}
	value.value = response.Value
	if response.Expire != nil && *response.Expire != 0 {
		value.end = time.Unix(0, *response.Expire)
	}
	return value, nil
}

func (p *forkPeer) send(method, peer, key string, body []byte) (*http.Response, []byte, error) {
	path := url.PathEscape(groupName) + "/" + url.PathEscape(key)
	if key == removeKeysPath {
		path = url.PathEscape(groupName) + "/" + removeKeysPath
	}
	request, err := http.NewRequest(method, peer+forkPath+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer, body, err
}

// tell sends a change, for which nothing but a 200 is done.
func (p *forkPeer) tell(method, peer, key string, body []byte) error {
	answer, body, err := p.send(method, peer, key, body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s to a %s: %s", peer, answer.Status, method, body)
	}
	return err
}

func (p *forkPeer) set(key string, value []byte) error {
	name, never := groupName, int64(0)
	message, err := proto.Marshal(&forkSetRequest{Group: &name, Key: &key, Value: value, Expire: &never})
	if err != nil {
		return err
	}
	owner := p.owner(key)
	if owner != p.self {
		if err := p.tell("PUT", owner, key, message); err != nil {
			return err
		}
	}
	if owner == p.self || p.fork.setsAll {
		p.keep(key, forkValue{value: value})
	}
	if p.fork.setsAll {
		for _, peer := range p.others(owner) {
			if err := p.tell("PUT", peer, key, message); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *forkPeer) remove(key string) error {
	owner := p.owner(key)
	if owner != p.self {
		if err := p.tell("DELETE", owner, key, nil); err != nil {
			return err
		}
	}
	p.forget(key)
	for _, peer := range p.others(owner) {
		if err := p.tell("DELETE", peer, key, nil); err != nil {
			return err
		}
	}
	return nil
}

// keysRemoverPeer is one that can remove many keys at once.
type keysRemoverPeer struct{ *forkPeer }

const removeKeysPath = "_remove-keys/"

type removeKeysRequest struct {
	Group string   `json:"group,omitempty"`
	Keys  []string `json:"keys,omitempty"`
}

func (p keysRemoverPeer) removeKeys(keys []string) error {
	body, err := json.Marshal(removeKeysRequest{groupName, keys})
	if err != nil {
		return err
	}
	for _, key := range keys {
		p.forget(key)
	}
	for _, peer := range p.others(p.self) {
		if err := p.tell("POST", peer, removeKeysPath, body); err != nil {
			return err
		}
	}
	return nil
}

func (p *forkPeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, forkPath) {
		panic("a path that is not for peers: " + r.URL.Path)
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, forkPath), "/", 2)
	if len(parts) < 2 {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	if parts[0] != groupName {
		http.Error(w, "no such group: "+parts[0], http.StatusNotFound)
		return
	}
	key := parts[1]
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	switch {
	case r.Method == "DELETE":
		p.forget(key)
	case r.Method == "PUT":
		p.serveSet(w, body)
	case r.Method == "POST" && p.fork.removesMany:
		p.serveRemoveKeys(w, key, body)
	case r.Method != "GET" && p.fork.removesMany:
		http.Error(w, "only GET, DELETE, PUT, POST are supported", http.StatusMethodNotAllowed)
	default:
		p.serveGet(w, key)
	}
}

func (p *forkPeer) serveGet(w http.ResponseWriter, key string) {
	value, err := p.load(key)
	switch {
	case err == errAbsent:
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	var expire int64
	if !value.end.IsZero() {
		expire = value.end.UnixNano()
	}
	body, err := proto.Marshal(&forkGetResponse{Value: value.value, Expire: &expire})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(body)
}

func (p *forkPeer) serveSet(w http.ResponseWriter, body []byte) {
	var set forkSetRequest
	if err := proto.Unmarshal(body, &set); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	value := forkValue{value: set.Value}
	if set.Expire != nil && *set.Expire != 0 {
		value.end = time.Unix(0, *set.Expire)
	}
	p.keep(*set.Key, value)
}

func (p *forkPeer) serveRemoveKeys(w http.ResponseWriter, key string, body []byte) {
	if !strings.HasPrefix(key, removeKeysPath) {
		http.Error(w, "invalid path for POST method", http.StatusNotFound)
		return
	}
	var request removeKeysRequest
	if err := json.Unmarshal(body, &request); err != nil {
		http.Error(w, "invalid request: "+err.Error(), http.StatusBadRequest)
		return
	}
	for _, key := range request.Keys {
		p.forget(key)
	}
}

type forkGetResponse struct {
	Value     []byte   `protobuf:"bytes,1,opt,name=value"`
	MinuteQps *float64 `protobuf:"fixed64,2,opt,name=minute_qps"`
	Expire    *int64   `protobuf:"varint,3,opt,name=expire"`
}

func (m *forkGetResponse) Reset()         { *m = forkGetResponse{} }
func (m *forkGetResponse) String() string { return proto.CompactTextString(m) }
func (*forkGetResponse) ProtoMessage()    {}

type forkSetRequest struct {
	Group  *string `protobuf:"bytes,1,req,name=group"`
	Key    *string `protobuf:"bytes,2,req,name=key"`
	Value  []byte  `protobuf:"bytes,3,opt,name=value"`
	Expire *int64  `protobuf:"varint,4,opt,name=expire"`
}

func (m *forkSetRequest) Reset()         { *m = forkSetRequest{} }
func (m *forkSetRequest) String() string { return proto.CompactTextString(m) }
func (*forkSetRequest) ProtoMessage()    {}
