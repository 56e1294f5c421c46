// Command screenshots takes the pictures of the README from the demo, with Chromium: go run ./internal/screenshots
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
)

func main() {
	if err := run(filepath.Join("docs", "images")); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

// timeout bounds one visit to the demo.
const timeout = time.Minute

func run(folder string) error {
	url, stopDemo, err := startDemo()
	if err != nil {
		return err
	}
	browser, stopBrowser, err := startBrowser()
	if err != nil {
		return errors.Join(err, stopDemo())
	}
	err = visit(browser, url, folder)
	stopBrowser()
	return errors.Join(err, stopDemo())
}

// startDemo builds and starts the demo and returns the URL that it prints.
func startDemo() (url string, stop func() error, err error) {
	folder, err := os.MkdirTemp("", "screenshots-*")
	if err != nil {
		return "", nil, err
	}
	program := filepath.Join(folder, "demo")
	if output, err := exec.Command("go", "build", "-o", program, "./examples/demo").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("go build: %w: %s", err, output)
	}
	demo := exec.Command(program)
	output, err := demo.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := demo.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		demo.Process.Signal(syscall.SIGTERM)
		return errors.Join(demo.Wait(), os.RemoveAll(folder))
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if url := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); url != "" {
			return url, stop, nil
		}
	}
	return "", nil, errors.Join(errors.New("the demo printed no URL"), stop())
}

func startBrowser() (context.Context, func(), error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("%w; install chromium", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	stopAll := func() { stop(); stopAllocator() }
	if err := chromedp.Do(ctx); err != nil { // starts the browser; a time limit would be that of the whole browser
		stopAll()
		return nil, nil, err
	}
	return ctx, stopAll, nil
}

// visit links the skill by the code grant, asks it, and takes a picture of the consent page and of the demo.
func visit(ctx context.Context, url, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	click := func(selector string) chromedp.Action[chromedp.Void] { return chromedp.Click(chromedp.CSS(selector)) }
	err := chromedp.Do(ctx,
		chromedp.EmulateViewport(375, 667, chromedp.EmulateScale(1.5)),
		chromedp.Navigate(url),
		click("input[value=authorization_code]"),
		click("form[action='/enable'] button"),
		chromedp.SendKeys(chromedp.CSS("input[name=login]"), "ada"),
		chromedp.SendKeys(chromedp.CSS("input[type=password]"), "engine"),
		click("button.main"),
		chromedp.WaitVisible(chromedp.CSS("button[value=link]")),
	)
	if err == nil {
		err = take(ctx, filepath.Join(folder, "consent.png"))
	}
	if err != nil {
		return fmt.Errorf("consent page: %w", err)
	}
	err = chromedp.Do(ctx,
		click("button[value=link]"),
		chromedp.WaitVisible(chromedp.CSS("form[action='/ask'] button")),
		chromedp.EmulateViewport(1000, 600),
		click("form[action='/ask'] button"),
		chromedp.WaitVisible(chromedp.CSS(".her")),
	)
	if err == nil {
		err = take(ctx, filepath.Join(folder, "demo.png"))
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// take writes a picture of what the window shows, smaller than Chromium encodes it.
func take(ctx context.Context, path string) error {
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	decoded, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return err
	}
	var smaller bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&smaller, decoded); err != nil {
		return err
	}
	return os.WriteFile(path, smaller.Bytes(), 0o644)
}
