// Ckpt saves running processes and makes them run on later. Under the name
// myrestart it is ckpt restore.
package main

import (
	"os"

	"ckpt/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
