//go:build forks

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	groupcachego "github.com/groupcache/groupcache-go/v3"
	"github.com/groupcache/groupcache-go/v3/transport"
	gopeer "github.com/groupcache/groupcache-go/v3/transport/peer"
	mailgun "github.com/mailgun/groupcache/v2"
	"github.com/vimeo/galaxycache"
	"github.com/vimeo/galaxycache/consistenthash"
	galaxyhttp "github.com/vimeo/galaxycache/http"
)

func init() {
	peersByProtocol["mailgun"] = newMailgunPeer
	peersByProtocol["groupcache-go"] = newGroupcacheGoPeer
	peersByProtocol["galaxycache"] = newGalaxycachePeer
}

// mailgunPeer is mailgun/groupcache.
type mailgunPeer struct {
	http.Handler
	self  string
	pool  *mailgun.HTTPPool
	group *mailgun.Group
}

func newMailgunPeer(self string) peer {
	pool := mailgun.NewHTTPPool(self)
	getter := func(_ context.Context, key string, dest mailgun.Sink) error {
		value, end, err := loadForFork(key)
		if errors.Is(err, errAbsent) {
			return &mailgun.ErrNotFound{Msg: err.Error()}
		}
		if err != nil {
			return err
		}
		return dest.SetBytes(value, end)
	}
	group := mailgun.NewGroup(groupName, 64<<20, mailgun.GetterFunc(getter))
	return &mailgunPeer{http.DefaultServeMux, self, pool, group}
}

func (p *mailgunPeer) join(peers []string) {
	p.pool.Set(peers...)
}

func (p *mailgunPeer) owner(key string) string {
	getter, ok := p.pool.PickPeer(key)
	if !ok {
		return p.self
	}
	return strings.TrimSuffix(getter.GetURL(), "/_groupcache/")
}

func (p *mailgunPeer) get(key string) ([]byte, error) {
	var value []byte
	err := p.group.Get(context.Background(), key, mailgun.AllocatingByteSliceSink(&value))
	return value, err
}

func (p *mailgunPeer) set(key string, value []byte) error {
	return p.group.Set(context.Background(), key, value, time.Time{}, false)
}

func (p *mailgunPeer) remove(key string) error {
	return p.group.Remove(context.Background(), key)
}

// groupcacheGoPeer is groupcache-go.
type groupcacheGoPeer struct {
	http.Handler
	self     string
	instance *groupcachego.Instance
	group    groupcachego.Group
}

func newGroupcacheGoPeer(self string) peer {
	served := transport.NewHttpTransport(transport.HttpTransportOptions{})
	instance := groupcachego.New(groupcachego.Options{Transport: served})
	getter := func(_ context.Context, key string, dest transport.Sink) error {
		value, end, err := loadForFork(key)
		if errors.Is(err, errAbsent) {
			return &transport.ErrNotFound{Msg: err.Error()}
		}
		if err != nil {
			return err
		}
		return dest.SetBytes(value, end)
	}
	group, err := instance.NewGroup(groupName, 64<<20, groupcachego.GetterFunc(getter))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle(transport.DefaultBasePath, served)
	return &groupcacheGoPeer{mux, self, instance, group}
}

func (p *groupcacheGoPeer) join(peers []string) {
	var list []gopeer.Info
	for _, url := range peers {
		address := strings.TrimPrefix(url, "http://")
		list = append(list, gopeer.Info{Address: address, IsSelf: url == p.self})
	}
	if err := p.instance.SetPeers(context.Background(), list); err != nil {
		panic(err)
	}
}

func (p *groupcacheGoPeer) owner(key string) string {
	client, _ := p.instance.PickPeer(key)
	return "http://" + client.PeerInfo().Address
}

func (p *groupcacheGoPeer) get(key string) ([]byte, error) {
	var value []byte
	err := p.group.Get(context.Background(), key, transport.AllocatingByteSliceSink(&value))
	return value, err
}

func (p *groupcacheGoPeer) set(key string, value []byte) error {
	return p.group.Set(context.Background(), key, value, time.Time{}, false)
}

func (p *groupcacheGoPeer) remove(key string) error {
	return p.group.Remove(context.Background(), key)
}

func (p *groupcacheGoPeer) removeKeys(keys []string) error {
	return p.group.RemoveKeys(context.Background(), keys...)
}

// galaxycachePeer is galaxycache over HTTP.
type galaxycachePeer struct {
	http.Handler
	self     string
	universe *galaxycache.Universe
	galaxy   *galaxycache.Galaxy
	ring     *consistenthash.Map
}

func newGalaxycachePeer(self string) peer {
	universe := galaxycache.NewUniverse(galaxyhttp.NewHTTPFetchProtocol(nil), self)
	getter := func(_ context.Context, key string, dest galaxycache.Codec) (galaxycache.BackendGetInfo, error) {
		value, end, err := loadForFork(key)
		if errors.Is(err, errAbsent) {
			err = fmt.Errorf("%w: %w", err, galaxycache.TrivialNotFoundErr{})
		}
		if err != nil {
			return galaxycache.BackendGetInfo{}, err
		}
		return galaxycache.BackendGetInfo{Expiration: end}, dest.UnmarshalBinary(value)
	}
	peeks := galaxycache.PeekPeerCfg{PeekTimeout: 20 * time.Second, WarmTime: time.Hour}
	galaxy := universe.NewGalaxyWithBackendInfo(groupName, 64<<20, galaxycache.GetterFuncWithInfo(getter),
		galaxycache.WithPreviousPeerPeeking(peeks))
	mux := http.NewServeMux()
	galaxyhttp.RegisterHTTPHandler(universe, nil, mux)
	return &galaxycachePeer{mux, self, universe, galaxy, nil}
}

func (p *galaxycachePeer) join(peers []string) {
	if err := p.universe.Set(peers...); err != nil {
		panic(err)
	}
	p.ring = consistenthash.New(50, nil)
	p.ring.Add(peers...)
}

func (p *galaxycachePeer) owner(key string) string {
	return p.ring.Get(key)
}

func (p *galaxycachePeer) get(key string) ([]byte, error) {
	var value galaxycache.ByteCodec
	err := p.galaxy.Get(context.Background(), key, &value)
	return value, err
}
