// SPDX-License-Identifier: Apache-2.0

// main.go - etcd and Kubernetes' control plane as one program, which is what its name says.
//
// The programs share nearly all of their code: one of 130 MB stands for five of 60 to 130 MB, and
// is linked once.  The links kube-apiserver, etcd, ... to it are made by build.sh; a part's
// name may also be the first argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

var parts = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": manager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"etcd":                    nil, // reads its arguments itself
}

func main() {
	name := filepath.Base(os.Args[0])
	if _, known := parts[name]; !known && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	command, known := parts[name]
	switch {
	case !known:
		fmt.Fprintf(os.Stderr, "no part is called %q\n", name)
		os.Exit(2)
	case command == nil:
		etcdmain.Main(os.Args)
	default:
		os.Exit(cli.Run(command()))
	}
}
