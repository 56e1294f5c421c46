//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"alexa-oidc-bridge/bridge/keys"
)

// server is a bridge or the bare server, and what was measured of it, one element for each round.
type server struct {
	name, address      string
	command            []string
	cmd                *exec.Cmd // nil: it does not run
	lookups, refreshes []result
	turns              []result  // of lookups while other servers had their turns
	starts             []float64 // from exec to the first lookup, in ms
}

const (
	serverCore, clientCore = "0", "1" // PostgreSQL shares the core of wrk
	// bareCommand makes this program the bare server. Arguments: its address, and that of a bridge.
	bareCommand = "bare"
	// Nothing listens at the issuer: neither a lookup nor a refresh needs the provider.
	skillID, backendID = "pizza", "pizza-backend"
	providerID, issuer = "corp", "http://127.0.0.1:9"
	secret             = "-secret-of-a-client-of-the-load-test" // after the id of the client
	configuration      = `
public_url: http://%[1]s
listen: %[1]s
admin_listen: 127.0.0.1:0
keys: [%[2]s]
storage: {driver: %[3]s, dsn: %[4]q}
log: {level: error}
providers: [{id: ` + providerID + `, issuer: "` + issuer + `", client_id: bridge,
  client_secret: ` + providerID + secret + `}]
skills: [{client_id: ` + skillID + `, name: Pizza, grants: [authorization_code],
  client_secret: ` + skillID + secret + `, vendor_ids: [MLOADTEST0000], scopes: [orders], claims: [name, email]}]
backends: [{id: ` + backendID + `, secret: ` + backendID + secret + `, skills: [` + skillID + `]}]
`
)

// newServers returns the bare server, which is this program, and then the bridges. It starts none.
func (b *bench) newServers(store, dsn string) ([]*server, error) {
	var servers []*server
	for i, name := range append([]string{bareCommand}, b.programs...) {
		listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		address, config := listener.Addr().String(), fmt.Sprintf("%s/config-%d.yaml", b.folder, i)
		text := fmt.Sprintf(configuration, address, keys.Generate(), store, dsn)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			return nil, err
		}
		serve := []string{name, "serve", "--config", config}
		servers = append(servers, &server{name: name, address: address, command: serve})
	}
	self, err := os.Executable()
	servers[0].command = []string{self, bareCommand, servers[0].address, servers[1].address}
	return servers, err
}

// pinned returns a command that runs on one core. It is killed when this process ends, however it ends.
func pinned(ctx context.Context, core string, arguments ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", core}, arguments...)...)
	// No BRIDGE_ variables: they override the configuration.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1"}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts the server, several times to measure how long that takes until the first response to a lookup. Then it
// looks up all tokens in use, so that they are in the server's memory.
func (s *server) start(ctx context.Context, times, tokens int) (err error) {
	for range times {
		s.stop()
		began := time.Now()
		s.cmd = pinned(ctx, serverCore, s.command...)
		if err := s.cmd.Start(); err != nil {
			return err
		}
		for _, _, err = lookup(s.address, 0); err != nil; _, _, err = lookup(s.address, 0) {
			if time.Since(began) > 10*time.Second || ctx.Err() != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		s.starts = append(s.starts, float64(time.Since(began).Microseconds())/1000)
	}
	for n := 0; n < tokens && err == nil; n++ {
		_, _, err = lookup(s.address, n)
	}
	return err
}

func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait() // its error is the signal
	}
}

// cpuTime returns the CPU time that the server has used so far, or 0 if it does not run any more.
func (s *server) cpuTime() time.Duration {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	return parseStat(string(stat))
}

// parseStat returns utime + stime of /proc/PID/stat; see proc(5).
func parseStat(stat string) time.Duration {
	var user, system time.Duration
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // the name before them may have spaces
	if len(fields) > 12 {
		fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	}
	return (user + system) * (time.Second / 100) // USER_HZ is 100
}

// lookup looks the access token of a link up. It fails if the token is not active.
func lookup(address string, n int) (header http.Header, body []byte, err error) {
	response, err := http.Post("http://"+backendID+":"+backendID+secret+"@"+address+"/lookup",
		"application/x-www-form-urlencoded", strings.NewReader(lookupBody(n)))
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err == nil && !bytes.Contains(body, []byte(`"active":true`)) {
		err = fmt.Errorf("lookup of link %d: status %d: %s", n, response.StatusCode, body)
	}
	return response.Header, body, err
}

// serveBare does the least that a net/http server can do for a lookup. It reads the body and always writes the same
// response, with the headers of a bridge and under the same time limits.
func serveBare() error {
	header, body, err := lookup(os.Args[3], 0)
	if err != nil {
		return err
	}
	header.Del("Date") // net/http writes it
	bare := &http.Server{Addr: os.Args[2], ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
	bare.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		maps.Copy(w.Header(), header)
		w.Write(body)
	})
	return bare.ListenAndServe()
}
