package postgrestest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// folder is a temporary folder that is removed when we end, however we end.
type folder struct {
	path   string
	keeper *exec.Cmd // waits for the end of us, by the end of the pipe that only we hold
	pipe   io.Closer
}

func makeFolder(inside string) (folder, error) {
	path, err := os.MkdirTemp(inside, "postgrestest-")
	if err != nil {
		return folder{}, err
	}
	// The server takes a moment to end, and may write a file meanwhile.
	keeper := exec.Command("sh", "-c", `read _; for i in 1 2 3 4 5; do rm -rf "$0" && exit; sleep 1; done`, path)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := keeper.StdinPipe()
	if err == nil {
		err = keeper.Start()
	}
	if err != nil {
		return folder{}, errors.Join(err, os.RemoveAll(path))
	}
	return folder{path: path, keeper: keeper, pipe: pipe}, nil
}

func (f folder) remove() error {
	if f.path == "" {
		return nil
	}
	return errors.Join(os.RemoveAll(f.path), f.pipe.Close(), f.keeper.Wait())
}

// makeFolders lets the server's user pass the outer folder, and own the inner ones.
func (s *Server) makeFolders() error {
	inside := os.TempDir()
	if memory := folderInMemory(); memory != "" && !s.config.Durable {
		inside = memory
	}
	made, err := makeFolder(inside)
	if err != nil {
		return err
	}
	s.folder, s.SocketFolder = made, filepath.Join(made.path, "socket")
	if err := os.Chmod(made.path, 0o711); err != nil {
		return err
	}
	for _, path := range []string{s.SocketFolder, s.dataFolder()} {
		err := errors.Join(os.Mkdir(path, 0o700), s.programs.give(path))
		if err != nil {
			return err
		}
	}
	return nil
}
