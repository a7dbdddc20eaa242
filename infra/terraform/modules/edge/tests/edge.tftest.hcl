mock_provider "google" {}

variables {
  project_id                = "tollgate-test"
  region                    = "asia-northeast1"
  host                      = "pay.example.com"
  payments_service          = "tollgate-payments"
  provider_webhooks_service = "tollgate-provider-webhooks"
}

run "as_it_comes" {
  command = apply

  # Only three paths are routed.
  assert {
    condition     = toset(output.routed_paths) == toset(["/v1", "/v1/*", "/return/*", "/webhooks/*"])
    error_message = "/metrics, /health, /jobs and /pubsub are nobody's business outside"
  }
  assert {
    condition     = toset(flatten([for rule in google_compute_url_map.this.path_matcher[0].path_rule : rule.paths])) == toset(output.routed_paths)
    error_message = "other paths are routed than said"
  }
  assert {
    condition     = google_compute_url_map.this.default_route_action[0].fault_injection_policy[0].abort[0].http_status == 404 && google_compute_url_map.this.default_route_action[0].fault_injection_policy[0].abort[0].percentage == 100
    error_message = "another host is answered"
  }
  assert {
    condition     = google_compute_url_map.this.path_matcher[0].default_route_action[0].fault_injection_policy[0].abort[0].http_status == 404 && google_compute_url_map.this.path_matcher[0].default_route_action[0].fault_injection_policy[0].abort[0].percentage == 100
    error_message = "another path is answered"
  }

  # Each path goes to its function.
  assert {
    condition     = { for name, it in google_compute_region_network_endpoint_group.this : name => it.cloud_run[0].service } == { payments = "tollgate-payments", provider-webhooks = "tollgate-provider-webhooks" }
    error_message = "another service is behind the load balancer"
  }
  assert {
    condition = alltrue([for rule in google_compute_url_map.this.path_matcher[0].path_rule :
      rule.service == google_compute_backend_service.this[contains(rule.paths, "/webhooks/*") ? "provider-webhooks" : "payments"].id
    ])
    error_message = "a path goes to the other function"
  }

  # Cloud armor stands before both.
  assert {
    condition     = alltrue([for it in google_compute_backend_service.this : it.security_policy == google_compute_security_policy.this.id])
    error_message = "a function without Cloud Armor"
  }
  assert {
    condition     = length([for rule in google_compute_security_policy.this.rule : rule if rule.action == "deny(404)" && rule.preview != true]) == 1
    error_message = "Cloud Armor lets other paths through"
  }
  assert {
    condition     = length([for rule in google_compute_security_policy.this.rule : rule if rule.action == "rate_based_ban"]) == 1 && google_compute_security_policy.this.adaptive_protection_config[0].layer_7_ddos_defense_config[0].enable
    error_message = "a flood reaches the functions"
  }
  assert {
    condition     = alltrue([for rule in google_compute_security_policy.this.rule : rule.preview == true if rule.priority >= 1000 && rule.priority < 2000])
    error_message = "a signature refuses payments before anybody has watched it"
  }

  # Plain http leads to https.
  assert {
    condition     = google_compute_url_map.to_https.default_url_redirect[0].https_redirect && google_compute_global_forwarding_rule.http.port_range == "80"
    error_message = "port 80 does not lead to https"
  }
  assert {
    condition     = google_compute_ssl_policy.this.min_tls_version == "TLS_1_2" && google_compute_managed_ssl_certificate.this.managed[0].domains[0] == "pay.example.com"
    error_message = "old TLS, or another host's certificate"
  }
}

run "a_url_is_no_host" {
  command = plan
  variables {
    host = "https://pay.example.com"
  }
  expect_failures = [var.host]
}
