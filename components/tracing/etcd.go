package tracing

import "strconv"

// ServiceEtcd is the service name of etcd's spans.
const ServiceEtcd = "etcd"

// loneEtcdArguments let a member that is alone elect itself within a second or two, as
// etcd's own defaults do. k3s has 500 and 5000 ms for members that are far from one
// another: a restarted server would spend 5 to 10 s waiting for others first.
//
// Sources: k3s pkg/etcd/etcd.go (cluster); etcd server/embed/config.go (DefaultConfig).
var loneEtcdArguments = []string{"heartbeat-interval=100", "election-timeout=1000"}

// etcdArguments renders k3s' etcd-arg values. k3s writes them into etcd's
// config file, where a name that this etcd does not know is ignored without a
// word: hence one set of names per etcd version, never a guess.
//
// Sources: go.etcd.io/etcd/server/v3@{v3.5.11,v3.6.0}/embed/config.go;
// k3s pkg/daemons/executor (ToConfigFile).
func etcdArguments(style EtcdTracing, receiver string, rate int) []string {
	prefix := ""
	if style != EtcdStable {
		prefix = "experimental-"
	}
	args := []string{
		prefix + "enable-distributed-tracing=true",
		prefix + "distributed-tracing-address=" + grpcTarget(receiver),
		prefix + "distributed-tracing-service-name=" + ServiceEtcd,
	}
	if style != EtcdExperimentalWithoutRate {
		args = append(args, prefix+"distributed-tracing-sampling-rate="+strconv.Itoa(rate))
	}
	return args
}
