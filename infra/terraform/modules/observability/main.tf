# Everything that watches: objectives, alert policies, dashboards, the uptime check, and who is told. What they say is made of
# infra/observability by `cargo run -p tollgate-observability -- generate`; here it only becomes resources.

locals {
  # What the generated files leave open, as @name@.
  open = {
    capacity_per_second      = tostring(var.capacity_per_second)
    dead_letter_subscription = var.dead_letter_subscription
    host                     = var.host
    redis_instance           = var.redis_instance
    spanner_database         = var.spanner_database
    spanner_instance         = var.spanner_instance
  }
  raw = { for name in fileset("${path.module}/generated", "**/*.json") : name => file("${path.module}/generated/${name}") }
  filled = {
    for name, text in local.raw : name => replace(replace(replace(replace(replace(replace(text,
      "@capacity_per_second@", local.open.capacity_per_second),
      "@dead_letter_subscription@", local.open.dead_letter_subscription),
      "@host@", local.open.host),
      "@redis_instance@", local.open.redis_instance),
      "@spanner_database@", local.open.spanner_database),
    "@spanner_instance@", local.open.spanner_instance)
  }
  alerts      = jsondecode(local.filled["alerts.json"])
  slos        = jsondecode(local.filled["slos.json"])
  log_metrics = jsondecode(local.filled["log-metrics.json"])
  dashboards  = { for name, text in local.filled : trimsuffix(basename(name), ".json") => text if startswith(name, "dashboards/") }

  runbooks = var.runbooks_url == "" ? "" : "${var.runbooks_url}/"

  pager  = concat([for channel in google_monitoring_notification_channel.pager : channel.id], var.pager_channels)
  ticket = [for channel in google_monitoring_notification_channel.ticket : channel.id]
  # Who is told, and how loud.
  channels = {
    page     = local.pager
    escalate = concat(local.pager, [for channel in google_monitoring_notification_channel.escalation : channel.id])
    ticket   = local.ticket
  }
  loudness = { page = "ERROR", escalate = "CRITICAL", ticket = "WARNING" }
}

resource "google_monitoring_notification_channel" "pager" {
  for_each     = toset(var.pager_emails)
  project      = var.project_id
  display_name = "tollgate ${var.environment}: pager ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_notification_channel" "escalation" {
  for_each     = toset(var.escalation_emails)
  project      = var.project_id
  display_name = "tollgate ${var.environment}: escalation ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_notification_channel" "ticket" {
  for_each     = toset(var.ticket_emails)
  project      = var.project_id
  display_name = "tollgate ${var.environment}: tickets ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_logging_metric" "events" {
  for_each    = local.log_metrics
  project     = var.project_id
  name        = each.key
  description = each.value.about
  filter      = each.value.filter
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = each.value.label
      value_type = "STRING"
    }
  }
  label_extractors = { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" }
}

resource "google_monitoring_uptime_check_config" "outside" {
  project          = var.project_id
  display_name     = "tollgate ${var.environment}: reached from outside"
  timeout          = "10s"
  period           = "60s"
  selected_regions = ["ASIA_PACIFIC", "EUROPE", "USA"]
  # From outside only /v1, /webhooks and /return are routed. Who has no key is told so by us: that is an answer of the gateway.
  http_check {
    path         = "/v1/payments"
    port         = 443
    use_ssl      = true
    validate_ssl = true
    accepted_response_status_codes {
      status_value = 401
    }
  }
  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = var.host }
  }
}

resource "google_monitoring_service" "gateway" {
  project      = var.project_id
  service_id   = "tollgate-${var.environment}"
  display_name = "Tollgate (${var.environment})"
  basic_service {
    service_type   = "CLOUD_RUN"
    service_labels = { service_name = var.services["payments"], location = var.region }
  }
}

resource "google_monitoring_slo" "objective" {
  # Cloud Monitoring refuses an objective on a metric that never had a value.
  for_each            = var.has_objectives ? local.slos : {}
  project             = var.project_id
  service             = google_monitoring_service.gateway.service_id
  slo_id              = each.key
  display_name        = each.value.title
  goal                = each.value.goal
  rolling_period_days = each.value.days
  request_based_sli {
    dynamic "good_total_ratio" {
      for_each = each.value.within == null ? [each.value] : []
      content {
        bad_service_filter   = good_total_ratio.value.bad
        total_service_filter = good_total_ratio.value.total
      }
    }
    dynamic "distribution_cut" {
      for_each = each.value.within == null ? [] : [each.value]
      content {
        distribution_filter = distribution_cut.value.total
        range {
          # Without a lower bound, and up to what is still good.
          max = distribution_cut.value.within
        }
      }
    }
  }
}

resource "google_monitoring_alert_policy" "alert" {
  for_each              = local.alerts
  project               = var.project_id
  display_name          = "tollgate ${var.environment}: ${each.key}"
  combiner              = "OR"
  enabled               = true
  severity              = local.loudness[each.value.severity]
  notification_channels = local.channels[each.value.severity]
  conditions {
    display_name = each.value.summary
    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "${each.value.duration_seconds}s"
      evaluation_interval = "30s"
      # On a new project most metrics have no value yet: the policies are there before them.
      disable_metric_validation = true
      rule_group                = "tollgate"
      alert_rule                = replace(each.key, "-", "_")
    }
  }
  documentation {
    subject   = "[${var.environment}] ${each.key}"
    mime_type = "text/markdown"
    content   = "${each.value.summary}\n\nWhat to do: ${local.runbooks}${each.value.runbook}"
    dynamic "links" {
      for_each = var.runbooks_url == "" ? [] : ["${local.runbooks}${each.value.runbook}"]
      content {
        display_name = "Runbook"
        url          = links.value
      }
    }
  }
  alert_strategy {
    auto_close = "1800s"
  }
  user_labels = {
    environment = var.environment
    severity    = each.value.severity
    runbook     = trimsuffix(basename(each.value.runbook), ".md")
  }
  # What is counted from logs begins to be counted with its metric.
  depends_on = [google_logging_metric.events]
}

resource "google_monitoring_dashboard" "dashboard" {
  for_each       = local.dashboards
  project        = var.project_id
  dashboard_json = each.value
}
