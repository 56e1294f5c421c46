// Package connlimit bounds how many connections an HTTP server holds, in all and from each peer, so that a peer that
// opens many shuts out only itself.
package connlimit

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says what to bound.
type Config struct {
	Connections int            // in all, and a quarter of them from each peer; 0: no limit
	Trusted     []netip.Prefix // proxies, which may have all of the connections
	Log         *slog.Logger
	Now         func() time.Time
}

// Limiter counts the connections of one server. A connection that exceeds a bound takes the place of an idle one, or
// else of one that has sent no request yet, the oldest first; if all others are busy, it is closed itself. Create a
// limiter with [New]. It is safe for concurrent use.
type Limiter struct {
	config Config

	mu          sync.Mutex
	connections map[net.Conn]*connection
	all         *group
	peers       map[netip.Prefix]*group // those that have connections, without trusted ones
	ofPeers     int                     // connections of these
	warnAfter   time.Time
	unreported  int // connections that were closed since the last warning

	closed *prometheus.CounterVec
}

// Reasons why a connection was closed, as the metric has them.
const (
	reasonIdle      = "idle"
	reasonNoRequest = "no_request"
	reasonFull      = "full"
)

// warnInterval is the least time between two warnings.
const warnInterval = time.Minute

// New returns a limiter that counts no connection yet.
func New(config Config) *Limiter {
	return &Limiter{
		config:      config,
		connections: map[net.Conn]*connection{},
		all:         newGroup(config.Connections),
		peers:       map[netip.Prefix]*group{},
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bridge_connections_closed_total",
			Help: "Connections of the public listener that were closed because there were too many, by what they did.",
		}, []string{"reason"}),
	}
}

// Collectors returns the metrics of the limiter.
func (l *Limiter) Collectors() []prometheus.Collector {
	return []prometheus.Collector{l.closed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bridge_connections",
		Help: "Connections of the public listener.",
	}, func() float64 { return float64(l.Count()) })}
}

// Count returns the number of connections.
func (l *Limiter) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.connections)
}

// ConnState is the function of that name of the [http.Server]. A connection of which the server says that it is new
// may be closed when ConnState returns; the server then finds it closed.
func (l *Limiter) ConnState(conn net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateNew {
		l.add(conn)
		return
	}
	c, found := l.connections[conn]
	if !found { // it was closed to make room
		return
	}
	switch state {
	case http.StateActive:
		c.wait(busy)
	case http.StateIdle:
		c.wait(idle)
	default:
		l.remove(c)
	}
}

func (l *Limiter) add(conn net.Conn) {
	c := &connection{conn: conn, groups: []*group{l.all}}
	if network, limited := l.networkOf(conn); limited {
		c.network = network
		c.groups = []*group{l.peer(network), l.all}
	}
	l.connections[conn] = c
	l.count(c, 1)
	for _, g := range c.groups {
		if g.isOver() {
			l.makeRoom(c, g)
		}
	}
	if l.connections[conn] == c {
		c.wait(fresh)
	}
}

// makeRoom closes one of the connections of a group that has one too many: the new one if all others are busy.
func (l *Limiter) makeRoom(added *connection, over *group) {
	l.warn(added, over)
	victim, reason := l.victim(added, over), reasonFull
	switch victim.state {
	case idle:
		reason = reasonIdle
	case fresh:
		reason = reasonNoRequest
	}
	l.remove(victim)
	l.closed.WithLabelValues(reason).Inc()
	l.unreported++
	victim.conn.Close()
}

// victim returns the connection to be closed. When there are too many in all, a peer that has more than the average
// replaces its own.
func (l *Limiter) victim(added *connection, over *group) *connection {
	own := over
	if added.isLimited() && added.groups[0].count*len(l.peers) > l.ofPeers {
		own = added.groups[0]
	}
	return cmp.Or(own.oldest(), over.oldest(), added)
}

func (l *Limiter) remove(c *connection) {
	delete(l.connections, c.conn)
	c.wait(busy)
	l.count(c, -1)
	if c.isLimited() && c.groups[0].count == 0 {
		delete(l.peers, c.network)
	}
}

func (l *Limiter) count(c *connection, n int) {
	for _, g := range c.groups {
		g.count += n
	}
	if c.isLimited() {
		l.ofPeers += n
	}
}

// peer returns the connections of a network.
func (l *Limiter) peer(network netip.Prefix) *group {
	g, found := l.peers[network]
	if !found {
		g = newGroup(l.config.Connections / 4)
		l.peers[network] = g
	}
	return g
}

// networkOf returns the network of a peer, in which connections are counted together: its address, or for IPv6 its /64.
// Trusted ones are not limited.
func (l *Limiter) networkOf(conn net.Conn) (network netip.Prefix, limited bool) {
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}, false
	}
	address := peer.Addr().Unmap().WithZone("")
	trusted := func(network netip.Prefix) bool { return network.Contains(address) }
	if slices.ContainsFunc(l.config.Trusted, trusted) {
		return netip.Prefix{}, false
	}
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, err = address.Prefix(bits)
	return network, err == nil
}

// warn logs that a group has too many connections, once in a while.
func (l *Limiter) warn(added *connection, over *group) {
	now := l.config.Now()
	if now.Before(l.warnAfter) {
		return
	}
	log := l.config.Log.With("connections", over.limit, "closed_since_last", l.unreported)
	if over == l.all {
		log.Warn("too many connections: idle ones are closed", "hint", "raise limits.connections, or find out who opens them")
	} else {
		log.Warn("too many connections from one peer: its idle ones are closed", "peer", added.network.Addr(),
			"hint", "if it is a proxy, add it to trusted_proxies; else raise limits.connections, or block it")
	}
	l.warnAfter, l.unreported = now.Add(warnInterval), 0
}
