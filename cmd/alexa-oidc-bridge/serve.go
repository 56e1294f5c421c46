package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"alexa-oidc-bridge/bridge/server"
	"alexa-oidc-bridge/bridge/sqlstore"
	"alexa-oidc-bridge/cmd/alexa-oidc-bridge/internal/connlimit"
	"alexa-oidc-bridge/config"
)

// shutdownTimeout bounds how long requests and questions to providers may take to finish. Together with what follows,
// serve ends within 8 seconds.
const shutdownTimeout = 5 * time.Second

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve Alexa, browsers and skill backends",
		Long: `serve opens the public and the admin listener. It creates the database file and the tables if there are none,
and migrates older ones; several processes may do so at once. It ends within 8 seconds of SIGTERM and finishes what it
has started. When another database file is put in the place of the one that is open, it exits with code 1, so that its
supervisor starts it on the new file.

At SIGHUP it loads the configuration again, with the files that it refers to, and drops no request. A configuration with
problems is refused: the log has them, and the one before stays in force. So is one in which a skill or a provider is
missing, since Amazon may delete its links for good; a restart removes it. The log names changed keys that need a
restart: public_url, listen, admin_listen, trusted_proxies, storage, lookup.memory, limits.memory, limits.connections
and log.format.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangups := make(chan os.Signal, 1) // another one during a reload is for one more
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			loaded, warnings, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			level := new(slog.LevelVar)
			level.Set(loaded.Log.Level)
			log := newLogger(cmd.ErrOrStderr(), level, loaded.Log.JSON)
			logWarnings(log, warnings)
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			load := func() (*config.Config, []config.Warning, error) { return config.Load(configPath(cmd)) }
			return serve(ctx, loaded, log, reloading{hangups, load, level, reloadTimeout})
		},
	}
}

func newLogger(w io.Writer, level slog.Leveler, inJSON bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if inJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// gcPercent is the default of GOGC. The heap is small, since the cache of lookup responses is not on it: at 100, it
// would be collected dozens of times a second under load. At 400, a flood of sockets would take more than 400 MB.
const gcPercent = 300

// serve runs until the context ends or a listener fails.
func serve(ctx context.Context, loaded *config.Config, log *slog.Logger, again reloading) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	store, err := sqlstore.Open(ctx,
		sqlstore.Options{Driver: loaded.Storage.Driver, DSN: loaded.Storage.DSN, Create: true})
	if err != nil {
		return failed(err, storageHint(loaded.Storage.Driver))
	}
	limiter := connlimit.New(connlimit.Config{
		Connections: loaded.Limits.Connections, Trusted: loaded.Server.TrustedProxies, Log: log, Now: time.Now,
	})
	reloads := newReloadResults()
	deps := server.Deps{
		Store: store, Log: log, Counters: prometheus.NewRegistry(), Collectors: append(limiter.Collectors(), reloads),
	}
	bridge, err := server.New(loaded.Server, deps)
	if err != nil {
		return errors.Join(failed(err, serverHint(err)), store.Close())
	}
	listeners, err := listen(ctx, loaded)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	if loaded.Storage.Driver == sqlstore.SQLite {
		warnReadable(log, loaded.Storage.DSN)
	}
	announce(log, loaded, listeners)
	limitMemory(log, loaded)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	servers := newServers(background)
	servers.replace(servers.run(bridge))
	public := newHTTPServer(servers.handler(func(s *server.Server) http.Handler { return s.Public }), log)
	admin := newHTTPServer(servers.handler(func(s *server.Server) http.Handler { return s.Admin }), log)
	public.ConnState = limiter.ConnState
	admin.ConnState = connlimit.New(connlimit.Config{
		Connections: min(cmp.Or(loaded.Limits.Connections, adminConnections), adminConnections),
		Trusted:     loaded.Server.TrustedProxies, Log: log.With("listener", "admin"), Now: time.Now,
	}).ConnState
	reloader := &reloader{again, loaded, deps, servers, reloads}
	err = serveUntil(ctx, reloader, public, admin, listeners, log)
	stopBackground()
	servers.running.Wait()
	err = errors.Join(err, closeStore(store))
	log.Info("stopped")
	return err
}

// adminConnections is how many connections the admin listener holds at once. More could take the file descriptors of
// the public one.
const adminConnections = 128

// closeTimeout bounds how long closing the database may take.
const closeTimeout = 1500 * time.Millisecond

// closeStore does not wait for a database that hangs: everything that was answered is durable.
func closeStore(store *sqlstore.Store) error {
	closed := make(chan error, 1)
	go func() { closed <- store.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTimeout):
		return failed(errors.New("the database did not close in time"),
			"check whether the database hangs; everything that was answered is durable")
	}
}

func storageHint(driver string) string {
	if driver == sqlstore.PostgreSQL {
		return "check storage.dsn, and that the database is running and reachable from here"
	}
	return "check storage.dsn, and that its folder exists and is writable"
}

func serverHint(err error) string {
	if errors.Is(err, server.ErrMemory) {
		return "lower lookup.memory"
	}
	return "correct the page in templates_dir"
}

type listeners struct {
	public, admin net.Listener
}

func listen(ctx context.Context, loaded *config.Config) (listeners, error) {
	public, err := new(net.ListenConfig).Listen(ctx, "tcp", loaded.Listen)
	if err != nil {
		return listeners{}, failed(err, "change listen, or stop the process that uses the port")
	}
	admin, err := new(net.ListenConfig).Listen(ctx, "tcp", loaded.AdminListen)
	if err != nil {
		public.Close()
		return listeners{}, failed(err, "change admin_listen, or stop the process that uses the port")
	}
	return listeners{public, admin}, nil
}

// warnReadable warns of a database file that other users can access, such as one that was copied or restored.
func warnReadable(log *slog.Logger, path string) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn("other users of this machine can access the database, which holds personal data; set its mode to 0600",
			"path", path, "mode", info.Mode().Perm().String())
	}
}

// announce logs the addresses, and the redirect URIs to be registered at the providers.
func announce(log *slog.Logger, loaded *config.Config, open listeners) {
	log.Info("serving", "public_url", loaded.Server.PublicURL,
		"listen", open.public.Addr().String(), "admin_listen", open.admin.Addr().String())
	for _, provider := range loaded.Server.Providers {
		log.Info("provider configured", "provider", provider.ID,
			"redirect_uri", server.CallbackURI(loaded.Server.PublicURL, provider.ID))
	}
}

// serveUntil serves both listeners until the context ends, a listener fails, or the database is replaced. When it
// returns, requests are finished, and so are questions to providers; no reload is going on.
func serveUntil(
	ctx context.Context, reloader *reloader, public, admin *http.Server, open listeners, log *slog.Logger,
) error {
	ended := make(chan error, 2)
	go func() { ended <- public.Serve(open.public) }()
	go func() { ended <- admin.Serve(open.admin) }()
	reloads, stopReloads := context.WithCancel(ctx)
	defer stopReloads()
	var reloading sync.WaitGroup
	reloading.Go(func() { reloader.run(reloads) })

	var failure error
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err := <-ended:
		failure = failed(fmt.Errorf("a listener failed: %w", err), "restart serve")
	case err := <-reloader.servers.failed:
		log.Error("stopping", "error", err)
		failure = failed(err, "restart serve, so that it opens the new database")
	}
	stopReloads()
	reloading.Wait()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var finishing sync.WaitGroup
	finishing.Go(func() { reloader.servers.finish(deadline) })
	for _, server := range []*http.Server{public, admin} { // that for the operator last
		if err := server.Shutdown(deadline); err != nil {
			log.Warn("requests aborted", "error", err)
			server.Close()
		}
	}
	finishing.Wait()
	return failure
}

// newHTTPServer bounds how long a client may take and how much it may send. The largest legitimate request has two
// cookies and a state; the longest response waits for a provider three times. A proxy or a backend keeps an idle
// connection for up to two minutes (Go 90 s, nginx 60 s, Caddy 120 s) and must be the one that closes it: a request
// that crosses our close is lost. When there are too many, idle ones are closed sooner.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       130 * time.Second,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
