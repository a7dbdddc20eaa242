variable "project_id" {
  description = "The project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be the id of a project."
  }
}

variable "environment" {
  description = "Its name: staging or production, say."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.environment))
    error_message = "environment must be a short lower-case name."
  }
}

variable "region" {
  description = "Where the functions run."
  type        = string
}

variable "host" {
  description = "The public host name, which is asked from outside every minute."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$", var.host))
    error_message = "host must be a host name, without https:// and without a path."
  }
}

variable "services" {
  description = "Each function's Cloud Run service."
  type        = map(string)
  validation {
    condition     = contains(keys(var.services), "payments")
    error_message = "services must name at least the function payments."
  }
}

variable "pager_emails" {
  description = "Who is woken by e-mail. A pager's own address, usually."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for email in var.pager_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "pager_emails must hold e-mail addresses."
  }
}

variable "pager_channels" {
  description = "Who is woken otherwise: notification channels that are there already, by name. PagerDuty's and Slack's are made by hand, for their keys have no place in Terraform's state."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for channel in var.pager_channels : can(regex("^projects/[^/ ]+/notificationChannels/[^/ ]+$", channel))])
    error_message = "pager_channels must hold names such as projects/PROJECT/notificationChannels/123."
  }
  validation {
    condition     = length(var.pager_emails) + length(var.pager_channels) > 0
    error_message = "pager_emails or pager_channels must name somebody: an alert that nobody hears is none."
  }
}

variable "ticket_emails" {
  description = "Where what can wait until the next working day goes."
  type        = list(string)
  validation {
    condition     = length(var.ticket_emails) > 0 && alltrue([for email in var.ticket_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "ticket_emails must hold e-mail addresses, one at least."
  }
}

variable "escalation_emails" {
  description = "Who is told as well where a tenth of the budget is gone in an hour."
  type        = list(string)
  default     = []
}

variable "has_objectives" {
  description = "Whether Cloud Monitoring keeps the objectives. It refuses them until each of their metrics has had a value: on a new project, until the morning after the first settled payment."
  type        = bool
  default     = true
}

variable "spanner_instance" {
  description = "The Spanner instance's name."
  type        = string
}

variable "spanner_database" {
  description = "The database's name."
  type        = string
}

variable "redis_instance" {
  description = "The name of the instance that the counters are in."
  type        = string
}

variable "dead_letter_subscription" {
  description = "The subscription where given-up events wait."
  type        = string
}

variable "capacity_per_second" {
  description = "The payments a second that this environment is planned for (docs/capacity.md)."
  type        = number
  validation {
    condition     = var.capacity_per_second > 0
    error_message = "capacity_per_second must be above 0."
  }
}

variable "runbooks_url" {
  description = "What comes before docs/runbooks/… in links to runbooks: where this repository can be read. Empty: policies name the file."
  type        = string
  default     = ""
  validation {
    condition     = var.runbooks_url == "" || can(regex("^https://[^ ]+[^/]$", var.runbooks_url))
    error_message = "runbooks_url must be an https address without a slash at its end, or empty."
  }
}
