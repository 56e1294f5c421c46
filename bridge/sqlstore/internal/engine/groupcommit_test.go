package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// blockWriter makes the writer wait inside a transaction, so that others queue, until the returned function is
// called.
func blockWriter(db *DB) (release func()) {
	began, released := make(chan struct{}), make(chan struct{})
	go db.Write(context.Background(), func(*Tx) error {
		close(began)
		<-released
		return nil
	})
	<-began
	return func() { close(released) }
}

func waitForJobs(db *DB, n int) {
	for len(db.writer.(*groupCommit).jobs) < n {
		runtime.Gosched()
	}
}

func insertConsent(tx *Tx, handle string) error {
	_, err := tx.Exec(`INSERT INTO pending_consents (handle, sealed, expires_at, decision, decided_at)
		VALUES ($1, '', 9, '', 0)`, handle)
	return err
}

func writeConsent(ctx context.Context, db *DB, handle string) error {
	return db.Write(ctx, func(tx *Tx) error { return insertConsent(tx, handle) })
}

func hasConsent(t *testing.T, db *DB, handle string) (found bool) {
	t.Helper()
	query := `SELECT EXISTS (SELECT 1 FROM pending_consents WHERE handle = $1)`
	if err := db.Reader.QueryRowContext(t.Context(), query, handle).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestGroupCommitIsolation verifies that a transaction that fails does not roll back the others of its group.
func TestGroupCommitIsolation(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	release := blockWriter(db)
	failure := errors.New("failure")
	errs, committed := make([]error, 20), make([]bool, 20)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			errs[i] = db.Write(context.Background(), func(tx *Tx) error {
				tx.AfterCommit(func() { committed[i] = true })
				err := insertConsent(tx, fmt.Sprint(i))
				if err == nil && i%2 == 1 {
					err = failure
				}
				return err
			})
		})
	}
	waitForJobs(db, len(errs))
	release()
	group.Wait()
	for i, err := range errs {
		var want error
		if i%2 == 1 {
			want = failure
		}
		kept := hasConsent(t, db, fmt.Sprint(i))
		if !errors.Is(err, want) || kept != (want == nil) || committed[i] != (want == nil) {
			t.Errorf("transaction %d: error %v, row %v, AfterCommit %v", i, err, kept, committed[i])
		}
	}
}

// TestAbandonedTransaction verifies that a transaction whose caller gave up while it waited, or while its group runs,
// is not run: the caller may have tried again.
func TestAbandonedTransaction(t *testing.T) {
	t.Parallel()
	for _, inGroup := range []bool{false, true} {
		db := openTest(t)
		release := blockWriter(db)
		ctx, cancel := context.WithCancel(context.Background())
		first, abandoned := make(chan error, 1), make(chan error, 1)
		go func() {
			first <- db.Write(context.Background(), func(tx *Tx) error {
				cancel()
				return insertConsent(tx, "first")
			})
		}()
		waitForJobs(db, 1)
		go func() { abandoned <- writeConsent(ctx, db, "abandoned") }()
		waitForJobs(db, 2)
		if !inGroup {
			cancel()
			if err := <-abandoned; !errors.Is(err, context.Canceled) {
				t.Errorf("Write: %v", err)
			}
		}
		release()
		if err := <-first; err != nil || !hasConsent(t, db, "first") {
			t.Errorf("the other transaction of the group: %v", err)
		}
		if inGroup {
			if err := <-abandoned; !errors.Is(err, context.Canceled) {
				t.Errorf("Write: %v", err)
			}
		}
		if hasConsent(t, db, "abandoned") {
			t.Error("the transaction was run")
		}
	}
}

func TestCloseFinishesWrites(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/bridge.db"
	db := openPath(t, path)
	errs := make([]error, 32)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = writeConsent(context.Background(), db, fmt.Sprint(i)) })
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	again := openPath(t, path)
	for i, err := range errs {
		if kept := hasConsent(t, again, fmt.Sprint(i)); kept != (err == nil) {
			t.Errorf("write %d: error %v, row %v", i, err, kept)
		}
	}
	if err := db.Write(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

// TestDiskFull verifies that writes fail while the disk is full, that reads go on, and that writes work again
// afterwards.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	writer := db.writer.(*groupCommit).db
	write := func(handle string) error { return writeConsent(t.Context(), db, handle) }
	if err := write("before"); err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Exec(`PRAGMA max_page_count = 1`); err != nil { // SQLite takes it for the present number
		t.Fatal(err)
	}
	failed := false
	for i := 0; i < 2000 && !failed; i++ {
		failed = write(fmt.Sprint("full ", i)) != nil
	}
	if !failed || !hasConsent(t, db, "before") {
		t.Errorf("a write failed: %v", failed)
	}
	if _, err := writer.Exec(`PRAGMA max_page_count = 1000000`); err != nil {
		t.Fatal(err)
	}
	if err := write("after"); err != nil {
		t.Errorf("after the disk was full: %v", err)
	}
}

// BenchmarkGroupCommit writes from 32 goroutines. Run it with -cpu 1,2.
func BenchmarkGroupCommit(b *testing.B) {
	db := openTest(b)
	var written atomic.Int64
	b.SetParallelism(32 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(next *testing.PB) {
		for next.Next() {
			if err := writeConsent(context.Background(), db, fmt.Sprint(written.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
}
