package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/alexa/simulator"
)

// browser is where the person signs in: the command prints a URL, and learns the address at which the browser ends from
// the redirect to this machine, or from a line that the person pastes.
type browser struct {
	out      io.Writer
	in       io.Reader
	loopback string // the redirect URI on this machine; empty: none
	open     bool   // the URL in the browser of this machine
	wait     time.Duration

	arrived chan string   // addresses
	ended   chan struct{} // closed at the end of in
	close   func()
}

func newBrowser(cmd *cobra.Command, args simulateArgs, loopback string) *browser {
	return &browser{
		out: cmd.OutOrStdout(), in: cmd.InOrStdin(), loopback: loopback, open: args.open, wait: args.wait,
		arrived: make(chan string), ended: make(chan struct{}), close: func() {},
	}
}

// listen begins to receive addresses.
func (b *browser) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	b.close = cancel
	if b.loopback != "" {
		at, err := url.Parse(b.loopback)
		if err != nil {
			return err
		}
		port := at.Port()
		if port == "" {
			port = "80"
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(at.Hostname(), port))
		if err != nil {
			return err
		}
		server := &http.Server{Handler: b.handler(ctx, at), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
		go func() { _ = server.Serve(listener) }() // until close
		b.close = func() { cancel(); server.Close() }
	}
	go b.readLines(ctx)
	return nil
}

// readLines receives what the person pastes.
func (b *browser) readLines(ctx context.Context) {
	lines := bufio.NewScanner(b.in)
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			b.arrive(ctx, line)
		}
	}
	close(b.ended)
}

func (b *browser) arrive(ctx context.Context, address string) {
	select {
	case b.arrived <- address:
	case <-ctx.Done():
	}
}

// handler receives the redirect. A fragment does not reach a server, so the page sends it by a script.
func (b *browser) handler(ctx context.Context, at *url.URL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := at.Path
		if path == "" {
			path = "/"
		}
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		address := at.Scheme + "://" + at.Host + at.Path
		if r.URL.RawQuery != "" {
			address += "?" + r.URL.RawQuery
		}
		fragment, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
		switch {
		case err != nil:
		case r.Method == http.MethodPost && strings.HasPrefix(string(fragment), "#"):
			b.arrive(ctx, address+string(fragment))
		case r.URL.Query().Has("state"):
			b.arrive(ctx, address)
			io.WriteString(w, arrivedPage)
		default:
			io.WriteString(w, fragmentPage)
		}
	})
}

const (
	arrivedPage = `<!doctype html><title>Back at Alexa</title>
<p>alexa-oidc-bridge simulate has the answer. You can close this window.</p>`
	fragmentPage = `<!doctype html><title>Back at Alexa</title>
<p id="text">Paste the address of this page to alexa-oidc-bridge simulate.</p>
<script>
fetch(location.pathname + location.search, {method: "POST", body: location.hash}).then(() => {
  history.replaceState(null, "", location.pathname);
  document.getElementById("text").textContent = "alexa-oidc-bridge simulate has the answer. You can close this window.";
});
</script>`
)

// signIn lets the person open an authorization request, and returns the response with which the browser comes back.
func (b *browser) signIn(ctx context.Context, request simulator.Request) (url.Values, error) {
	fmt.Fprintf(b.out, "\nOpen this in a browser, sign in, and link:\n\n%s\n\n", request.URL())
	if b.loopback == "" {
		fmt.Fprintf(b.out, "Then paste the address at which the browser ends; it begins with %s\n"+
			"To be spared this, add redirect_uris: [\"http://localhost:9000/\"] to the skill, and restart the server.\n\n",
			request.RedirectURI)
	}
	if b.open {
		if err := openInBrowser(ctx, request.URL()); err != nil {
			fmt.Fprintf(b.out, "The browser does not open (%v); open the URL yourself.\n\n", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, b.wait)
	defer cancel()
	ended := b.ended
	if b.loopback != "" {
		ended = nil // the redirect comes without it
	}
	for {
		select {
		case address := <-b.arrived:
			parsed, err := url.Parse(address)
			if err != nil || !strings.HasPrefix(address, request.RedirectURI) || !strings.Contains(address, request.State) {
				fmt.Fprintln(b.out, "This is not the address at which the browser ends after this sign-in. Paste all of it.")
				continue
			}
			return request.Response(parsed)
		case <-ended:
			return nil, errors.New("standard input has ended without the address")
		case <-ctx.Done():
			return nil, fmt.Errorf("the browser did not come back within %s", b.wait)
		}
	}
}

// openInBrowser opens a URL in the browser of this machine, which inherits nothing from this process but where to
// find its display.
func openInBrowser(ctx context.Context, address string) error {
	command := []string{"xdg-open"}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open"}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	opener := exec.CommandContext(context.WithoutCancel(ctx), command[0], append(command[1:], address)...)
	for _, name := range []string{"PATH", "HOME", "USER", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
		"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "BROWSER", "SYSTEMROOT"} {
		if value, found := os.LookupEnv(name); found {
			opener.Env = append(opener.Env, name+"="+value)
		}
	}
	if err := opener.Start(); err != nil {
		return err
	}
	go func() { _ = opener.Wait() }() // whatever the browser says, the person has the URL
	return nil
}
