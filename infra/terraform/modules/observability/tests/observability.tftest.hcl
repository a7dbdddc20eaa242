mock_provider "google" {}

variables {
  project_id               = "tollgate-test"
  environment              = "staging"
  region                   = "asia-northeast1"
  host                     = "pay.example.com"
  services                 = { payments = "tollgate-payments" }
  pager_emails             = ["pager@example.com"]
  ticket_emails            = ["team@example.com"]
  escalation_emails        = ["head@example.com"]
  spanner_instance         = "a-spanner"
  spanner_database         = "a-database"
  redis_instance           = "a-redis"
  dead_letter_subscription = "a-subscription"
  capacity_per_second      = 1234
  runbooks_url             = "https://git.example.com/tollgate/blob/main"
}

run "every_alert_is_heard_and_says_what_to_do" {
  command = apply

  assert {
    condition     = length(google_monitoring_alert_policy.alert) >= 45
    error_message = "alerts are missing"
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : length(policy.notification_channels) > 0 && policy.enabled])
    error_message = "an alert that nobody hears is none"
  }
  assert {
    condition = alltrue([for policy in google_monitoring_alert_policy.alert :
    can(regex("https://[^ ]+/docs/runbooks/[a-z-]+[.]md", policy.documentation[0].content))])
    error_message = "every policy links to its runbook"
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["budget-burn-tenth"].severity == "CRITICAL" && length(google_monitoring_alert_policy.alert["budget-burn-tenth"].notification_channels) == 2
    error_message = "a tenth of the budget in an hour escalates"
  }
  assert {
    condition     = toset(google_monitoring_alert_policy.alert["settlement-resumed"].notification_channels) == toset(output.notification_channels.ticket)
    error_message = "what can wait goes to tickets, and wakes nobody"
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : policy.conditions[0].condition_prometheus_query_language[0].evaluation_interval == "30s"])
    error_message = "within a minute is only possible with evaluations every 30 s"
  }
}

run "the_outside_is_asked_and_logs_are_counted" {
  command = apply

  # Who has no key is told so: that is the gateway's own answer, and no load balancer's.
  assert {
    condition     = google_monitoring_uptime_check_config.outside.monitored_resource[0].labels.host == "pay.example.com" && google_monitoring_uptime_check_config.outside.http_check[0].path == "/v1/payments" && google_monitoring_uptime_check_config.outside.http_check[0].accepted_response_status_codes[0].status_value == 401 && google_monitoring_uptime_check_config.outside.http_check[0].use_ssl && google_monitoring_uptime_check_config.outside.period == "60s"
    error_message = "the outside is not asked every minute, or any answer is good"
  }
  assert {
    condition     = contains(keys(google_logging_metric.events), "tollgate_events") && strcontains(google_logging_metric.events["tollgate_events"].filter, "settlement_failed")
    error_message = "what only logs tell is not counted"
  }
  assert {
    condition     = alltrue([for urgency in ["page", "escalate", "ticket"] : length(output.notification_channels[urgency]) > 0]) && length(setintersection(output.notification_channels.page, output.notification_channels.ticket)) == 0
    error_message = "whoever is woken and whoever has time are told apart"
  }
}

run "what_only_the_project_knows_is_filled_in" {
  command = apply

  assert {
    condition     = length(regexall("@[a-z_]+@", join("", concat([for policy in google_monitoring_alert_policy.alert : policy.conditions[0].condition_prometheus_query_language[0].query], [for dashboard in google_monitoring_dashboard.dashboard : dashboard.dashboard_json])))) == 0
    error_message = "something stays open"
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["load-high"].conditions[0].condition_prometheus_query_language[0].query, "0.8 * 1234")
    error_message = "80 % of what is planned for"
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["backup-failed"].conditions[0].condition_prometheus_query_language[0].query, "a-database")
    error_message = "the database's backups"
  }
}

run "what_is_promised_is_what_the_documentation_says" {
  command = apply

  assert {
    condition     = google_monitoring_slo.objective["availability"].goal == 0.999 && google_monitoring_slo.objective["availability"].rolling_period_days == 30
    error_message = "99.9 % over 30 days"
  }
  assert {
    condition     = strcontains(google_monitoring_slo.objective["availability"].request_based_sli[0].good_total_ratio[0].total_service_filter, "metric.labels.code!=\"provider_unavailable\"")
    error_message = "a provider that is away is its own objective's matter"
  }
  assert {
    condition     = google_monitoring_slo.objective["latency"].request_based_sli[0].distribution_cut[0].range[0].max == 0.5
    error_message = "half a second"
  }
  assert {
    condition     = google_monitoring_slo.objective["webhooks"].request_based_sli[0].distribution_cut[0].range[0].max == 300 && google_monitoring_slo.objective["settlement"].request_based_sli[0].distribution_cut[0].range[0].max == 1800
    error_message = "five minutes, half an hour"
  }
  assert {
    condition     = alltrue([for provider in ["stripe", "paypal", "bank"] : google_monitoring_slo.objective["provider-${provider}"].goal == 0.995])
    error_message = "each provider has one"
  }
}

run "rollouts_have_their_policies" {
  command = apply

  assert {
    condition     = length(output.canary_alert_policies) == 3
    error_message = "errors, failed payments, latency"
  }
  assert {
    condition     = length(google_monitoring_dashboard.dashboard) == 3
    error_message = "three dashboards"
  }
}

run "without_an_address_policies_name_the_file" {
  command = plan
  variables {
    runbooks_url = ""
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["job-late"].documentation[0].content, "What to do: docs/runbooks/job-late.md")
    error_message = "the runbook's file"
  }
}

run "nobody_to_page_is_refused" {
  command = plan
  variables {
    pager_emails = []
  }
  expect_failures = [var.pager_channels]
}

run "a_pager_needs_no_e_mail" {
  command = apply
  variables {
    pager_emails   = []
    pager_channels = ["projects/tollgate-test/notificationChannels/123"]
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["job-late"].notification_channels == tolist(["projects/tollgate-test/notificationChannels/123"])
    error_message = "the pager does not hear of a page"
  }
}

run "a_channels_title_is_no_name" {
  command = plan
  variables {
    pager_channels = ["PagerDuty"]
  }
  expect_failures = [var.pager_channels]
}

run "an_address_is_no_host" {
  command = plan
  variables {
    host = "https://pay.example.com/"
  }
  expect_failures = [var.host]
}

run "a_new_project_has_alerts_before_it_has_metrics" {
  command = apply
  variables {
    has_objectives = false
  }

  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.alert : policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "a first apply ends at a metric that has no value yet"
  }
  assert {
    condition     = length(google_monitoring_slo.objective) == 0 && length(google_monitoring_alert_policy.alert) >= 45
    error_message = "objectives are refused until their metrics have a value, and alerts must not wait for them"
  }
}
