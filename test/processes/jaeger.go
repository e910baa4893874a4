package processes

// JaegerProcess is a Jaeger 2.
type JaegerProcess struct {
	*Process
	// OTLPGRPC and OTLPHTTP are the host:port addresses of the OTLP receivers.
	OTLPGRPC, OTLPHTTP string
	// QueryURL is the address of its query API.
	QueryURL string
}

// NewJaeger prepares a Jaeger, building it unless it is in the cache. The
// configuration must name the receiver otlp and enable the extensions jaeger_query
// and healthcheckv2. The directories of a store are those in it: override them. It
// runs without a configuration of the UI unless extensions::jaeger_query::ui::config_file
// is overridden.
func NewJaeger(options Options) (*JaegerProcess, error) {
	binary, err := binary(Jaeger, JaegerVariable)
	if err != nil {
		return nil, err
	}
	addresses, err := FreeAddresses(5)
	if err != nil {
		return nil, err
	}
	grpc, http, health, query, queryGRPC := addresses[0], addresses[1], addresses[2], addresses[3], addresses[4]
	arguments, err := options.configArguments("jaeger", map[string]string{
		"receivers::otlp::protocols::grpc::endpoint": grpc,
		"receivers::otlp::protocols::http::endpoint": http,
		"extensions::healthcheckv2::http::endpoint":  health,
		"extensions::jaeger_query::http::endpoint":   query,
		"extensions::jaeger_query::grpc::endpoint":   queryGRPC,
		// The file of the container.
		"extensions::jaeger_query::ui::config_file": `""`,
		// Its default port would collide with a second process.
		"service::telemetry::metrics::level": "none",
	})
	if err != nil {
		return nil, err
	}
	return &JaegerProcess{
		Process: &Process{
			name: "jaeger", binary: binary, folder: options.Folder,
			arguments: arguments, environment: options.Environment, healthURL: "http://" + health + "/status",
		},
		OTLPGRPC: grpc, OTLPHTTP: http, QueryURL: "http://" + query,
	}, nil
}
