locals {
  # What is routed, and to whom. Everything else (/metrics, /health, /jobs, /pubsub) is nobody's business outside.
  backends = {
    payments          = { service = var.payments_service, paths = ["/v1", "/v1/*", "/return/*"] }
    provider-webhooks = { service = var.provider_webhooks_service, paths = ["/webhooks/*"] }
  }
  # The same once more in Cloud Armor's words, in case somebody changes the routes.
  routed = "request.path.matches('^/v1(/|$)') || request.path.startsWith('/return/') || request.path.startsWith('/webhooks/')"

  # Attacks that are no payments. In preview: they are logged, and let through until somebody has seen that no merchant is hit.
  # (A payment's description may well look like SQL.)
  signatures = {
    "1000" = "sqli-v33-stable"
    "1001" = "xss-v33-stable"
    "1002" = "rce-v33-stable"
    "1003" = "lfi-v33-stable"
    "1004" = "protocolattack-v33-stable"
    "1005" = "scannerdetection-v33-stable"
  }
}

resource "google_compute_global_address" "this" {
  project = var.project_id
  name    = "tollgate"
}

resource "google_compute_security_policy" "this" {
  project     = var.project_id
  name        = "tollgate"
  description = "What is let in from outside."
  type        = "CLOUD_ARMOR"

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable          = true
      rule_visibility = "STANDARD"
    }
  }

  advanced_options_config {
    # Bodies are JSON; what is in them is not logged, for they hold payers' data.
    json_parsing = "STANDARD"
    log_level    = "NORMAL"
  }

  rule {
    description = "Log4Shell, refused: nothing here is written in Java, so nobody is missed"
    action      = "deny(403)"
    priority    = 100
    match {
      expr {
        expression = "evaluatePreconfiguredWaf('cve-canary')"
      }
    }
  }

  rule {
    description = "Only what is routed"
    action      = "deny(404)"
    priority    = 200
    match {
      expr {
        expression = "!(${local.routed})"
      }
    }
  }

  dynamic "rule" {
    for_each = local.signatures
    content {
      description = "${rule.value}, watched"
      action      = "deny(403)"
      preview     = true
      priority    = tonumber(rule.key)
      match {
        expr {
          expression = "evaluatePreconfiguredWaf('${rule.value}', {'sensitivity': 1})"
        }
      }
    }
  }

  rule {
    description = "A flood from one address"
    action      = "rate_based_ban"
    priority    = 2000
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action   = "allow"
      exceed_action    = "deny(429)"
      enforce_on_key   = "IP"
      ban_duration_sec = 600
      rate_limit_threshold {
        count        = var.requests_per_minute_per_address
        interval_sec = 60
      }
      # Shut out for ten minutes who goes on at twice that.
      ban_threshold {
        count        = var.requests_per_minute_per_address * 2
        interval_sec = 60
      }
    }
  }

  rule {
    description = "Everybody else"
    action      = "allow"
    priority    = 2147483647
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

resource "google_compute_region_network_endpoint_group" "this" {
  for_each              = local.backends
  project               = var.project_id
  name                  = "tollgate-${each.key}"
  region                = var.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = each.value.service
  }
}

resource "google_compute_backend_service" "this" {
  for_each              = local.backends
  project               = var.project_id
  name                  = "tollgate-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.this.id

  backend {
    group = google_compute_region_network_endpoint_group.this[each.key].id
  }

  log_config {
    enable = true
    # Every request is in the function's own log; these are for what never got there.
    sample_rate = 0.1
  }
}

resource "google_compute_url_map" "this" {
  project = var.project_id
  name    = "tollgate"
  # Cannot be left out, and is never reached: the action before it answers.
  default_service = google_compute_backend_service.this["payments"].id
  default_route_action {
    fault_injection_policy {
      abort {
        http_status = 404
        percentage  = 100
      }
    }
  }

  host_rule {
    hosts        = [var.host]
    path_matcher = "routed"
  }

  path_matcher {
    name            = "routed"
    default_service = google_compute_backend_service.this["payments"].id
    default_route_action {
      fault_injection_policy {
        abort {
          http_status = 404
          percentage  = 100
        }
      }
    }

    dynamic "path_rule" {
      for_each = local.backends
      content {
        paths   = path_rule.value.paths
        service = google_compute_backend_service.this[path_rule.key].id
      }
    }
  }
}

resource "google_compute_managed_ssl_certificate" "this" {
  project = var.project_id
  # By the host: another host is another certificate, which is there before the old one goes.
  name = "tollgate-${substr(sha256(var.host), 0, 8)}"
  managed {
    domains = [var.host]
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "this" {
  project         = var.project_id
  name            = "tollgate"
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  project          = var.project_id
  name             = "tollgate"
  url_map          = google_compute_url_map.this.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.this.id
}

resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = "tollgate-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
}

resource "google_compute_url_map" "to_https" {
  project = var.project_id
  name    = "tollgate-to-https"
  default_url_redirect {
    https_redirect = true
    # 308: a POST stays a POST. The key that came with it has been seen by then, which no redirect can help.
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "to_https" {
  project = var.project_id
  name    = "tollgate-to-https"
  url_map = google_compute_url_map.to_https.id
}

resource "google_compute_global_forwarding_rule" "http" {
  project               = var.project_id
  name                  = "tollgate-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.to_https.id
}
